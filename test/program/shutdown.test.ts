import { expect, test } from 'bun:test'
import type { Behaviour } from '../../src/simulator/openai/behaviours.ts'
import { databaseFileName, openDatabase } from '../../src/stores/database.ts'
import { chatRequest, type Folder, settingsFor, waitFor } from '../helpers/program.ts'
import { dataOf } from '../helpers/start-pair.ts'
import { goodSecret, startService } from './start-with.ts'

const slow = (deltaCount: number): Readonly<Record<string, Behaviour>> => ({
  [goodSecret]: { kind: 'good', deltaCount, delayMs: 50 },
})

function recordsIn(folder: Folder) {
  const path = folder.at(`data/${databaseFileName}`)
  const database = openDatabase(path, { role: 'tool', timezone: 'UTC', maxModels: 10, maxPages: null })
  try {
    return database.requests({ limit: 1000 }).records
  } finally {
    database.close()
  }
}

/** A stream whose first event has come. */
async function beginStream(open: (path: string, init: RequestInit) => Promise<Response>) {
  const response = await open('/v1/chat/completions', chatRequest({ stream: true }))
  const reader = (response.body as ReadableStream<Uint8Array>).getReader()
  const first = await reader.read()
  const decoder = new TextDecoder()
  let text = decoder.decode(first.value, { stream: true })
  const rest = async () => {
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return text
      text += decoder.decode(value, { stream: true })
    }
  }
  return { rest, id: response.headers.get('x-request-id') ?? '' }
}

test('SIGTERM lets a running stream finish, refuses new calls meanwhile, writes everything down and exits 0', async () => {
  await using service = await startService({ credentials: slow(20) })
  const { gateway, folder } = service
  const stream = await beginStream(gateway.call)
  gateway.signal('SIGTERM')
  await gateway.logged('stopping')
  const isRefused = await fetch(`${gateway.url}/health`).then(
    () => false,
    () => true,
  )
  expect(isRefused).toBe(true)
  const text = await stream.rest()
  expect(dataOf(text).at(-1)).toBe('[DONE]')
  expect(await gateway.ended(3000)).toBe(0)
  expect(recordsIn(folder).map((record) => [record.id, record.outcome])).toEqual([[stream.id, 'succeeded']])
  expect(gateway.log().at(-1)?.event).toBe('stopped')
}, 20_000)

test('somebody who watches live figures does not delay the end', async () => {
  await using service = await startService({ settings: { server: { shutdown_grace: '20s' } } })
  const { gateway } = service
  const response = await gateway.admin('/admin/live')
  const reader = (response.body as ReadableStream<Uint8Array>).getReader()
  expect((await reader.read()).done).toBe(false)
  gateway.signal('SIGTERM')
  expect(await gateway.ended(3000)).toBe(0)
}, 20_000)

test('an idle connection that is kept alive does not delay the end', async () => {
  await using service = await startService({ settings: { server: { shutdown_grace: '20s' } } })
  const { gateway } = service
  await gateway.chat()
  gateway.signal('SIGINT')
  expect(await gateway.ended(2000)).toBe(0)
}, 20_000)

test('when the grace is over, calls that still run are cut off in a way that shows, and are recorded; exit 0', async () => {
  await using service = await startService({
    credentials: slow(2000),
    settings: { server: { shutdown_grace: '300ms' } },
  })
  const { gateway, folder } = service
  const streams = await Promise.all([beginStream(gateway.call), beginStream(gateway.call)])
  const beganMs = performance.now()
  gateway.signal('SIGTERM')
  for (const stream of streams) {
    const text = await stream.rest().catch(() => 'broken')
    expect(text).not.toContain('[DONE]')
  }
  expect(await gateway.ended(3000)).toBe(0)
  expect(performance.now() - beganMs).toBeLessThan(2300)
  const records = recordsIn(folder)
  expect(records.map((record) => record.id).sort()).toEqual(streams.map((stream) => stream.id).sort())
  expect(records.every((record) => record.outcome !== 'succeeded')).toBe(true)
}, 20_000)

test('a call that waits for its upstream when the grace is over is recorded too', async () => {
  await using service = await startService({
    credentials: { [goodSecret]: { kind: 'hanging' } },
    settings: { server: { shutdown_grace: '100ms' } },
  })
  const { gateway, folder, upstream } = service
  const calls = [gateway.chat({ stream: true }), gateway.chat({ stream: false })]
  const ends = Promise.allSettled(calls)
  await waitFor(async () => upstream.inFlight() === 2, 'both calls upstream')
  gateway.signal('SIGTERM')
  expect(await gateway.ended(2100)).toBe(0)
  await ends
  expect(recordsIn(folder).map((record) => record.outcome)).toEqual(['aborted', 'aborted'])
}, 20_000)

test('a second signal ends it at once', async () => {
  await using service = await startService({ credentials: slow(2000) })
  const { gateway } = service
  const stream = await beginStream(gateway.call)
  gateway.signal('SIGTERM')
  await gateway.logged('stopping')
  gateway.signal('SIGTERM')
  expect(await gateway.ended(1000)).toBe(1)
  expect(await stream.rest().catch(() => 'broken')).not.toContain('[DONE]')
}, 20_000)

test('a grace that was reloaded is the one that counts', async () => {
  await using service = await startService({ credentials: slow(2000) })
  const { gateway, folder, upstream } = service
  await folder.write(
    'any2api.yaml',
    settingsFor(upstream.baseUrl, [goodSecret], { server: { shutdown_grace: '100ms' } }),
  )
  await gateway.logged('configuration reloaded')
  const stream = await beginStream(gateway.call)
  gateway.signal('SIGTERM')
  expect(await gateway.ended(2100)).toBe(0)
  await stream.rest().catch(() => 'broken')
}, 20_000)
