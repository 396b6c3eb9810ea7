import { expect, test } from 'bun:test'
import { rename } from 'node:fs/promises'
import { startOpenAiSimulator } from '../../src/simulator/openai.ts'
import {
  adminKey,
  chatRequest,
  clientKey,
  createFolder,
  type Gateway,
  settingsFor,
  startProgram,
  waitFor,
} from '../helpers/program.ts'
import { dataOf } from '../helpers/start-pair.ts'
import { goodSecret, startService } from './start-with.ts'

const otherKey = 'sk-client-that-came-with-reload'

/** The settings of the tests with one more client key. */
function withOtherKey(baseUrl: string, keys: readonly string[] = [goodSecret]): string {
  const clientKeys = [
    { name: 'tester', key: clientKey },
    { name: 'other', key: otherKey },
  ]
  return settingsFor(baseUrl, keys, { access: { admin_key: adminKey, client_keys: clientKeys } })
}

interface Stats {
  readonly keys: {
    readonly totalKeys: number
    readonly credentials: readonly { label: string; state: string; successes: number; failures: number }[]
  }
  readonly totals: { readonly requests: number }
  readonly reload: {
    readonly applied: boolean
    readonly cause: string
    readonly problems: readonly { place: string; message: string }[]
    readonly needsRestart: readonly string[]
  } | null
}

async function statsOf(gateway: Gateway): Promise<Stats> {
  return (await (await gateway.admin('/stats')).json()) as Stats
}

const waysToReload: Record<string, (gateway: Gateway) => unknown> = {
  SIGHUP: (gateway) => gateway.signal('SIGHUP'),
  'POST /admin/reload': (gateway) => gateway.admin('/admin/reload', { method: 'POST' }),
  'the change of the file alone': () => null,
}

for (const [way, ask] of Object.entries(waysToReload)) {
  test(`${way} puts new settings in force`, async () => {
    await using service = await startService()
    const { gateway, folder, upstream } = service
    expect((await gateway.chat({}, otherKey)).status).toBe(401)
    await folder.write('any2api.yaml', withOtherKey(upstream.baseUrl))
    await ask(gateway)
    await gateway.logged('configuration reloaded')
    expect((await gateway.chat({}, otherKey)).status).toBe(200)
  }, 20_000)
}

test('one change is reloaded once, also when it was asked for', async () => {
  await using service = await startService()
  const { gateway, folder, upstream } = service
  await folder.write('any2api.yaml', withOtherKey(upstream.baseUrl))
  gateway.signal('SIGHUP')
  await gateway.logged('configuration reloaded', (line) => line.cause === 'SIGHUP')
  // A second change ends the wait: what the first one had left to say would have been said before.
  await folder.write('any2api.yaml', `${settingsFor(upstream.baseUrl, [goodSecret])} # changed`)
  await gateway.logged('configuration reloaded', (line) => line.cause === 'file changed')
  expect(gateway.log().filter((line) => line.event === 'configuration reloaded').length).toBe(2)
}, 20_000)

test('bad settings change nothing, are logged with every problem and show in /stats', async () => {
  await using service = await startService()
  const { gateway, folder, upstream } = service
  const bad = { server: { prot: 1 }, provider: { rotation: 'sideways' } }
  await folder.write('any2api.yaml', settingsFor(upstream.baseUrl, [goodSecret], bad))
  const refusal = await gateway.logged('configuration not reloaded; the old one stays in force')
  expect(refusal).toMatchObject({ level: 'error', problems: 2 })
  const places = gateway.log().flatMap((line) => (line.event === 'setting refused' ? [line.place] : []))
  expect(places).toEqual(['any2api.yaml: server.prot', 'any2api.yaml: providers.up.rotation'])
  expect((await gateway.chat()).status).toBe(200)
  const { reload } = await statsOf(gateway)
  expect(reload?.applied).toBe(false)
  expect(reload?.problems.map((problem) => problem.place)).toEqual(places as string[])
  const asked = await gateway.admin('/admin/reload', { method: 'POST' })
  expect(asked.status).toBe(422)
  expect(((await asked.json()) as { problems: unknown[] }).problems.length).toBe(2)
  await folder.write('any2api.yaml', withOtherKey(upstream.baseUrl))
  await gateway.logged('configuration reloaded')
  expect((await gateway.chat({}, otherKey)).status).toBe(200)
  expect((await statsOf(gateway)).reload?.applied).toBe(true)
}, 20_000)

test('a file that is gone for a moment changes nothing', async () => {
  await using service = await startService()
  const { gateway, folder, upstream } = service
  await rename(folder.at('any2api.yaml'), folder.at('away.yaml'))
  await gateway.logged('configuration not reloaded; the old one stays in force')
  expect((await gateway.chat()).status).toBe(200)
  await folder.write('any2api.yaml', withOtherKey(upstream.baseUrl))
  await gateway.logged('configuration reloaded')
  expect((await gateway.chat({}, otherKey)).status).toBe(200)
}, 20_000)

test('a change of host, port or data directory is said to need a restart, at every reload until it is taken back', async () => {
  await using service = await startService({ files: { '.env': '' } })
  const { gateway, folder, upstream } = service
  const reload = async () => (await (await gateway.admin('/admin/reload', { method: 'POST' })).json()) as object
  await folder.write('any2api.yaml', settingsFor(upstream.baseUrl, [goodSecret], { server: { host: '127.0.0.1' } }))
  await folder.write('.env', 'DATA_DIR=elsewhere\n')
  expect(await reload()).toMatchObject({ ok: true, needsRestart: ['server.host', 'data directory'] })
  expect(await reload()).toMatchObject({ ok: true, needsRestart: ['server.host', 'data directory'] })
  await gateway.logged('some changes need a restart', (line) => line.settings === 'server.host, data directory')
  await folder.write('any2api.yaml', settingsFor(upstream.baseUrl, [goodSecret]))
  await folder.write('.env', '')
  expect(await reload()).toMatchObject({ ok: true, needsRestart: [] })
}, 20_000)

test('a call under way finishes with the settings it began with', async () => {
  await using service = await startService({
    credentials: { [goodSecret]: { kind: 'good', deltaCount: 20, delayMs: 50 } },
    settings: { models: { alias: 'up/gpt-4.1' } },
  })
  using other = startOtherUpstream()
  const { gateway, folder } = service
  const stream = await gateway.call('/v1/chat/completions', chatRequest({ model: 'alias', stream: true }))
  await folder.write('any2api.yaml', settingsFor(other.baseUrl, ['sk-upstream-other-00000001']))
  const reloaded = await gateway.admin('/admin/reload', { method: 'POST' })
  expect(reloaded.status).toBe(200)
  expect(other.totalCalls()).toBe(0)
  expect((await gateway.chat()).status).toBe(200)
  expect(other.totalCalls()).toBe(1)
  const events = dataOf(await stream.text())
  expect(events.at(-1)).toBe('[DONE]')
  expect(events[0]).toContain('"model":"alias"')
}, 20_000)

function startOtherUpstream() {
  const simulator = startOpenAiSimulator({ defaultBehaviour: { kind: 'good' } })
  return { ...simulator, [Symbol.dispose]: simulator.stop }
}

test('a line added to the keys file is a credential more, and what was known of the others stays', async () => {
  const revoked = 'sk-upstream-revoked-000001'
  const added = 'sk-upstream-added-00000001'
  using upstream = startOtherUpstream()
  upstream.setBehaviour(revoked, { kind: 'revoked' })
  const settings = {
    access: { admin_key: adminKey, client_keys: [clientKey] },
    providers: { up: { base_url: upstream.baseUrl, keys_file: 'pool.txt' } },
  }
  await using folder = await createFolder({
    'any2api.json': JSON.stringify(settings),
    'pool.txt': `${goodSecret}\n${revoked}\n`,
  })
  await using gateway = await startProgram({ folder })
  for (let call = 0; call < 4; call++) expect((await gateway.chat()).status).toBe(200)
  await gateway.logged('credential blacklisted')
  const before = await statsOf(gateway)
  const callsOfRevoked = upstream.calls(revoked)
  await folder.write('pool.txt', `${added}\n${goodSecret}\n${revoked}\n`)
  await gateway.logged('configuration reloaded')
  const after = await statsOf(gateway)
  expect(after.keys.totalKeys).toBe(3)
  expect(after.keys.credentials.slice(1).map(({ state, successes, failures }) => [state, successes, failures])).toEqual(
    before.keys.credentials.map(({ state, successes, failures }) => [state, successes, failures]),
  )
  expect(after.keys.credentials[2]?.state).toBe('blacklisted')
  for (let call = 0; call < 4; call++) expect((await gateway.chat()).status).toBe(200)
  expect(upstream.calls(added)).toBe(2)
  expect(upstream.calls(revoked)).toBe(callsOfRevoked)
  await waitFor(async () => (await statsOf(gateway)).totals.requests === 8, 'eight calls in the totals')
}, 20_000)
