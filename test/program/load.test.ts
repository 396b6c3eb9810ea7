import { Database } from 'bun:sqlite'
import { expect, test } from 'bun:test'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import {
  chatRequest,
  createFolder,
  type Folder,
  type Gateway,
  settingsFor,
  startProgram,
  waitFor,
} from '../helpers/program.ts'
import { goodSecret, startService } from './start-with.ts'
import { repeat, streamOverSocket } from './stream-client.ts'

const loops = 30
/** Open files and the environment of a process are read from there. */
const hasProc = existsSync('/proc/self/fd')

interface Answered {
  readonly id: string
  readonly atMs: number
}

/** Calls again and again, so many at once, until it is ended. */
function startLoad(gateway: Gateway) {
  const answered: Answered[] = []
  const statuses = new Set<number>()
  let slowestMs = 0
  /** Those whose record must be stored at this time: a machine that is too busy for a call is too busy for the database, too. */
  const due = (atMs: number) => answered.filter((one) => one.atMs < atMs - 100 - slowestMs)
  let isOver = false
  const loop = async () => {
    while (!isOver) {
      // Status 0: there is nobody to answer.
      const beganMs = performance.now()
      const { id, status } = await gateway.chat().catch(() => ({ id: '', status: 0 }))
      statuses.add(status)
      const atMs = performance.now()
      if (status === 200) answered.push({ id, atMs })
      if (status === 200) slowestMs = Math.max(slowestMs, atMs - beganMs)
      // A pause, so that the test itself leaves the processor to what is tested.
      await Bun.sleep(10)
    }
  }
  const running = Array.from({ length: loops }, loop)
  return {
    due,
    async end() {
      isOver = true
      await Promise.all(running)
      return { answered, statuses: [...statuses] }
    },
  }
}

function readDatabase(folder: Folder) {
  const database = new Database(folder.at('data/any2api.db'))
  const rows = database
    .query<{ id: string }, []>("SELECT iif(typeof(id) = 'blob', lower(hex(id)), id) AS id FROM requests")
    .all()
    .map(({ id }) => ({ id: id.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, 'req_$1-$2-$3-$4-$5') }))
  const all = database
    .query<{ requests: number }, []>(
      `SELECT requests FROM totals_ever JOIN subjects ON subjects.id = subject
       WHERE coalesce(model, provider, credential, client) IS NULL`,
    )
    .get()
  database.close()
  return { stored: new Set(rows.map(({ id }) => id)), rows: rows.length, summed: all?.requests ?? 0 }
}

test('kill -9 under load loses no call that was answered more than 100 ms before, and the next start counts each once', async () => {
  await using service = await startService()
  const { gateway, folder } = service
  const load = startLoad(gateway)
  await waitFor(
    async () => load.due(performance.now()).length > 300,
    'some calls',
    () => String(load.due(performance.now()).length),
    20_000,
  )
  const killedMs = performance.now()
  gateway.signal('SIGKILL')
  await gateway.ended()
  await load.end()
  const { stored, rows } = readDatabase(folder)
  const due = load.due(killedMs)
  expect(due.length).toBeGreaterThan(0)
  expect(due.filter(({ id }) => !stored.has(id))).toEqual([])
  expect(stored.size).toBe(rows)
  const again = await service.again()
  expect((await again.chat()).status).toBe(200)
  again.signal('SIGTERM')
  expect(await again.ended()).toBe(0)
  const after = readDatabase(folder)
  expect([after.rows, after.summed]).toEqual([rows + 1, rows + 1])
}, 30_000)

test('SIGTERM under load: whatever was answered is stored, and the totals agree', async () => {
  await using service = await startService()
  const { gateway, folder } = service
  const load = startLoad(gateway)
  await Bun.sleep(300)
  gateway.signal('SIGTERM')
  expect(await gateway.ended()).toBe(0)
  const { answered, statuses } = await load.end()
  expect(statuses.toSorted()).toEqual([0, 200])
  const { stored, rows, summed } = readDatabase(folder)
  expect(answered.filter(({ id }) => !stored.has(id))).toEqual([])
  expect([stored.size, summed]).toEqual([rows, rows])
}, 30_000)

test.skipIf(!hasProc)(
  'reloads under load cost no call, and leave no handle behind',
  async () => {
    await using service = await startService()
    const { gateway, upstream } = service
    const load = startLoad(gateway)
    const reloads = () => gateway.log().filter((line) => line.event === 'configuration reloaded').length
    const openFiles = () => readdirSync(`/proc/${gateway.pid}/fd`).length
    const reload = async () => expect((await gateway.admin('/admin/reload', { method: 'POST' })).status).toBe(200)
    for (let time = 0; time < 5; time++) await reload()
    const filesBefore = openFiles()
    for (let time = 0; time < 50; time++) await reload()
    const { statuses } = await load.end()
    expect(statuses).toEqual([200])
    // Those kept for later calls are no leak.
    upstream.closeIdleConnections()
    await waitFor(
      async () => openFiles() <= filesBefore + 20,
      'few open files',
      () => `${filesBefore} → ${openFiles()}`,
    )
    await waitFor(
      async () => reloads() === 55,
      'a log line for each reload',
      () => String(reloads()),
    )
  },
  30_000,
)

test('a thousand streams at once are all whole, without any help from the environment', async () => {
  const streams = 1000
  await using service = await startService({
    credentials: { [goodSecret]: { kind: 'good', deltaCount: 20, delayMs: 50 } },
  })
  const { gateway, upstream } = service
  let most = 0
  const watch = setInterval(() => {
    most = Math.max(most, upstream.inFlight())
  }, 10)
  const results = await Promise.all(
    Array.from({ length: streams }, () => streamOverSocket(gateway.port, { stream_options: { include_usage: true } })),
  )
  clearInterval(watch)
  expect(results.filter((one) => one.status !== 200 || !one.isWhole)).toEqual([])
  const deltas = results.map((one) => one.body.split('"content":').length - 1)
  expect(Math.min(...deltas)).toBe(Math.max(...deltas))
  expect(results.filter((one) => !one.body.includes('data: [DONE]\n\n'))).toEqual([])
  expect(most).toBeGreaterThan(900)
  expect(gateway.stderr()).toBe('')
}, 60_000)

test.skipIf(!hasProc)(
  'it starts itself anew, under the same process id, only for an upstream that speaks HTTP/2',
  async () => {
    await using service = await startService()
    const environmentOf = (pid: number) => readFileSync(`/proc/${pid}/environ`, 'utf8')
    expect(environmentOf(service.gateway.pid)).not.toContain('BUN_CONFIG_MAX_HTTP_REQUESTS')
    const settings = settingsFor(service.upstream.baseUrl, [goodSecret], { provider: { http2: true } })
    await using folder = await createFolder({ 'other.yaml': settings })
    await using other = await startProgram({ folder, words: ['--config', 'other.yaml'] })
    expect(environmentOf(other.pid)).toContain('BUN_CONFIG_MAX_HTTP_REQUESTS=65535')
  },
  20_000,
)

test.skipIf(!hasProc)(
  'after thousands of calls, a third of them left by the client, nothing is in flight and no handle is left',
  async () => {
    await using service = await startService({
      credentials: { [goodSecret]: { kind: 'good', deltaCount: 10, delayMs: 1 } },
    })
    const { gateway, upstream } = service
    const openFiles = () => readdirSync(`/proc/${gateway.pid}/fd`).length
    await repeat({ times: 100, atOnce: 20 }, () => gateway.chat())
    const filesBefore = openFiles()
    await repeat({ times: 2000, atOnce: 40 }, async (index) => {
      if (index % 10 < 2) return streamOverSocket(gateway.port, {}, 400 + (index % 5) * 300)
      if (index % 10 === 2) return leaveWhole(index)
      return gateway.chat({ stream: index % 2 === 0 })
    })
    const metrics = async () =>
      (await (await gateway.admin('/metrics', { headers: { accept: 'application/json' } })).json()) as {
        active_requests: number
      }
    await waitFor(async () => (await metrics()).active_requests === 0, 'no call in flight')
    await waitFor(async () => upstream.inFlight() === 0, 'nothing in flight upstream')
    const stats = (await (await gateway.admin('/stats')).json()) as {
      keys: { credentials: { inFlight: number; state: string }[] }
      totals: { aborted: number }
    }
    expect(stats.keys.credentials.map(({ inFlight, state }) => [inFlight, state])).toEqual([[0, 'healthy']])
    expect(stats.totals.aborted).toBeGreaterThan(300)
    upstream.closeIdleConnections()
    await waitFor(
      async () => openFiles() <= filesBefore + 20,
      'few open files',
      () => `${filesBefore} → ${openFiles()}`,
      10_000,
    )

    /** A client that gives up before its answer has come. */
    async function leaveWhole(index: number): Promise<void> {
      const controller = new AbortController()
      setTimeout(() => controller.abort(), index % 12)
      await gateway
        .call('/v1/chat/completions', { ...chatRequest(), signal: controller.signal })
        .then((response) => response.text())
        .catch(() => '')
    }
  },
  60_000,
)
