/** Limits of client keys with the real store: made on the command line, remembered over restarts. */
import { expect, test } from 'bun:test'
import { adminKey, clientKey, createFolder, runProgram, waitFor } from '../helpers/program.ts'
import { startService } from './start-with.ts'

/** How long a running gateway may take to notice. */
const noticeMs = 3000

test('a key made with limits has them in the running gateway, and the list shows them', async () => {
  await using service = await startService()
  const { gateway, folder } = service
  const limits = ['--rpm', '2', '--rps', '0.5', '--burst=9', '--tpm', '100000', '--max-concurrent', '3']
  const budget = ['--budget', '1.50', '--budget-period', 'day']
  const made = await runProgram({ folder, words: ['keys', 'new', 'carol', ...limits, ...budget] })
  expect(made.status).toBe(0)
  const secret = made.stdout.trim()
  const listed = async () =>
    (await gateway.call('/v1/models', { headers: { authorization: `Bearer ${secret}` } })).status
  await waitFor(
    async () => (await listed()) === 200,
    'the new key works',
    () => '',
    noticeMs,
  )
  const statuses: number[] = []
  for (let call = 0; call < 3; call++) statuses.push((await gateway.chat({}, secret)).status)
  expect(statuses).toEqual([200, 200, 429])
  expect((await gateway.chat()).status).toBe(200)
  const stats = (await (await gateway.admin('/stats')).json()) as { clients_limits: Record<string, unknown> }
  expect(stats.clients_limits.carol).toMatchObject({
    allowed: 2,
    refused: { rpm: 1 },
    rpm: { limit: 2 },
    rps: { limit: 0.5, burst: 9 },
    tpm: { limit: 100_000 },
    max_concurrent: { limit: 3 },
    budget: { limit_usd: 1.5, period: 'day' },
  })
  const { stdout } = await runProgram({ folder, words: ['keys', 'list'] })
  const shown = 'rpm 2, rps 0.5, burst 9, tpm 100000, max_concurrent 3, budget_usd 1.5, budget_period day'
  expect(stdout).toContain(`  ${shown}\n`)
}, 20_000)

test('a restart forgets nothing of what was spent', async () => {
  const access = {
    admin_key: adminKey,
    client_keys: [{ name: 'tester', key: clientKey, budget_usd: 0.000_001 }],
  }
  await using service = await startService({ settings: { access } })
  expect((await service.gateway.chat()).status).toBe(200)
  const spentOut = async (gateway: typeof service.gateway) => {
    const { status, text } = await gateway.chat()
    expect([status, JSON.parse(text).error?.code]).toEqual([429, 'insufficient_quota'])
  }
  await spentOut(service.gateway)
  service.gateway.signal('SIGTERM')
  expect(await service.gateway.ended()).toBe(0)
  await spentOut(await service.again())
}, 20_000)

test.each([
  ['--rpm', 'many', 'must be a whole number from 1 to 1000000'],
  ['--rpm', '', 'must be a whole number from 1 to 1000000'],
  ['--rps', '0', 'must be a number from 0.001 to 1000000'],
  ['--budget-period', 'week', 'must be one of day, month'],
])('%s %p is refused, exit 2, and no key is made', async (flag, value, message) => {
  await using folder = await createFolder()
  const made = await runProgram({ folder, words: ['keys', 'new', 'dora', `${flag}=${value}`] })
  expect(made).toEqual({ status: 2, stdout: '', stderr: `any2api: ${flag} ${message}\n` })
  expect((await runProgram({ folder, words: ['keys', 'list'] })).status).toBe(1)
})
