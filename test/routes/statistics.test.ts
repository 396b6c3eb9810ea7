/** The operator's statistics over a real database: ranges, filters, pages, files, and that sums are exact. */
import { afterAll, beforeAll, expect, test } from 'bun:test'
import type { Outcome, UsageRecord } from '../../src/domain.ts'
import { type OpenAiSimulator, startOpenAiSimulator } from '../../src/simulator/openai.ts'
import { openConnection } from '../../src/stores/connection.ts'
import { createNames } from '../../src/stores/names.ts'
import { createRequestRows } from '../../src/stores/request-rows.ts'
import { openStore } from '../../src/stores/sqlite.ts'
import type { Store, Totals } from '../../src/stores/store.ts'
import { createChance } from '../helpers/random.ts'
import { createMemory, startGateway, type TestGateway, testConfig, testProvider } from '../helpers/start-gateway.ts'
import { createDataDirectory, type DataDirectory } from '../stores/fixtures/data-directory.ts'
import { usageRecord } from '../stores/fixtures/usage-record.ts'

const hourMs = 3_600_000
const now = Math.floor(Date.now() / hourMs) * hourMs
const formula = '=HYPERLINK("http://evil.example","x")'

let data: DataDirectory
let store: Store
let gateway: TestGateway
let upstream: OpenAiSimulator
let records: UsageRecord[]

beforeAll(async () => {
  data = createDataDirectory()
  store = await openStore(data.storeOptions)
  const random = createChance(3).next
  records = Array.from({ length: 3000 }, (_, index) =>
    usageRecord({
      id: '',
      // Several to a millisecond.
      time: now - 1 - Math.floor(random() * 20) * 5 * hourMs - (index % 7),
      model: index === 0 ? formula : `model-${Math.floor(random() * 12)}`,
      provider: `provider-${Math.floor(random() * 2)}`,
      credential: `credential-${Math.floor(random() * 5)}`,
      client: `client-${Math.floor(random() * 3)}`,
      outcome:
        (['succeeded', 'succeeded', 'succeeded', 'failed', 'aborted', 'cut'] as Outcome[])[Math.floor(random() * 6)] ??
        'cut',
      status: random() < 0.9 ? 200 : 502,
      durationMs: Math.floor(random() * 90_000),
      costMicroUsd: Math.floor(random() * 1_000_000),
    }),
  ).map((record) => ({
    ...record,
    id: `req_${Bun.randomUUIDv7('hex', record.time)}`,
    status: record.outcome === 'succeeded' ? 200 : record.status,
  }))
  for (const record of records) store.recordUsage(record)
  await store.flush()
  upstream = startOpenAiSimulator({ credentials: { 'sk-good-0001': { kind: 'good' } } })
  gateway = await startGateway({
    config: testConfig([testProvider(upstream.baseUrl, ['sk-good-0001'])]),
    memory: { ...createMemory(), store },
  })
})

afterAll(async () => {
  await gateway.stop()
  upstream.stop()
  await store.close()
  data.remove()
})

interface Series {
  times: string[]
  by: string | null
  lines: ({ name: string; is_rest: boolean; totals: Totals } & Record<keyof Totals, number[]>)[]
}

interface Stats {
  totals: Totals
  models: Record<string, Totals>
  providers: Record<string, Totals>
  credentials: Record<string, Totals>
  clients: Record<string, Totals>
  series: Series
  range: { from: string; to: string; bucket: string; unavailable: string[] }
  percentiles: Record<string, { count: number; p50: number; p95: number }> | null
}

async function ask<Answer>(path: string): Promise<Answer> {
  const response = await gateway.admin(path)
  expect([path, response.status]).toEqual([path, 200])
  return (await response.json()) as Answer
}

function costOf(some: readonly UsageRecord[]): number {
  return some.reduce((total, record) => total + record.costMicroUsd, 0) / 1_000_000
}

const combinations: [string, (record: UsageRecord) => boolean][] = [
  ['', () => true],
  ['model=model-3', (record) => record.model === 'model-3'],
  ['provider=provider-1', (record) => record.provider === 'provider-1'],
  ['client=client-2', (record) => record.client === 'client-2'],
  ['credential=credential-4', (record) => record.credential === 'credential-4'],
  ['model=model-3&client=client-2', (record) => record.model === 'model-3' && record.client === 'client-2'],
  ['provider=provider-1&client=client-2', (record) => record.provider === 'provider-1' && record.client === 'client-2'],
  ['model=nobody', () => false],
]

test.each(combinations)('/stats of a range with %p adds up exactly, however it is split', async (filter, matches) => {
  for (const [range, sinceMs] of [
    ['from=50h', now + hourMs - 51 * hourMs - hourMs],
    ['from=30d', 0],
    ['bucket=day', 0],
  ] as const) {
    const wanted = records.filter((record) => matches(record) && record.time >= sinceMs)
    const isUnsplit = filter.includes('credential')
    for (const by of isUnsplit ? ['', 'provider'] : ['', 'model', 'provider', 'client']) {
      const stats = await ask<Stats>(`/stats?${range}&${filter}${by === '' ? '' : `&by=${by}`}&top=4`)
      const known = { requests: wanted.length, cost_usd: costOf(wanted) }
      if (range !== 'from=50h') expect(stats.totals).toMatchObject(known)
      const lines = stats.series.lines
      const requests = lines.flatMap((line) => line.requests).reduce((a, b) => a + b, 0)
      expect(requests).toBe(stats.totals.requests)
      for (const line of lines) expect(line.requests).toHaveLength(stats.series.times.length)
      const cost = lines.reduce((total, line) => total + line.totals.cost_usd, 0)
      expect(Math.abs(cost - stats.totals.cost_usd)).toBeLessThan(1e-9)
      if (by === 'model' && filter === '') {
        expect(lines.map(({ is_rest }) => is_rest)).toEqual([false, false, false, false, true])
        expect(lines.at(-1)?.name).toBe('other')
      }
    }
  }
})

test('an hour of the series has the calls that began in it', async () => {
  const { series, range } = await ask<Stats>('/stats?from=60h&bucket=hour')
  expect(range.bucket).toBe('hour')
  const [line] = series.lines
  series.times.forEach((time, index) => {
    const start = Date.parse(time)
    const count = records.filter((record) => record.time >= start && record.time < start + hourMs).length
    expect(line?.requests[index]).toBe(count)
  })
})

test('breakdowns keep to the filter, and what is not kept is told', async () => {
  const { models, providers, credentials, range } = await ask<Stats>('/stats?from=30d&client=client-1')
  const own = records.filter((record) => record.client === 'client-1')
  expect(models['model-5']?.requests).toBe(own.filter((record) => record.model === 'model-5').length)
  expect(providers['provider-0']?.requests).toBe(own.filter((record) => record.provider === 'provider-0').length)
  expect(credentials).toEqual({})
  expect(range.unavailable).toEqual(['credentials'])
})

test('percentiles are within a tenth of the true ones', async () => {
  for (const [filter, matches] of combinations.slice(0, 5)) {
    const { percentiles } = await ask<Stats>(`/stats?from=30d&${filter}`)
    const sorted = records
      .filter(matches)
      .map((record) => record.durationMs)
      .sort((a, b) => a - b)
    for (const [name, share] of [
      ['p50', 0.5],
      ['p95', 0.95],
    ] as const) {
      const truth = sorted[Math.floor(share * sorted.length)] ?? 0
      const told = percentiles?.duration_ms?.[name] ?? 0
      expect(Math.abs(told - truth) / truth).toBeLessThan(0.1)
    }
    expect(percentiles?.duration_ms?.count).toBe(sorted.length)
  }
  expect((await ask<Stats>('/stats?from=30d&client=client-1&model=model-1')).percentiles).toBeNull()
})

test.each([
  ['/stats?from=yesterday', 'from'],
  ['/stats?from=2030-13-01', 'from'],
  ['/stats?from=1h&to=2h', 'from'],
  ['/stats?bucket=week', 'bucket'],
  ['/stats?from=90d&bucket=hour', 'bucket'],
  ['/stats?by=path', 'by'],
  ['/stats?top=51', 'top'],
  ['/stats?model=', 'model'],
  ['/stats?credential=c&model=m', 'credential'],
  ['/stats?credential=c&by=client', 'by'],
  ['/stats?client=c&by=credential', 'by'],
  ['/stats?form=24h', 'form'],
  ['/stats?format=xml', 'format'],
  ['/admin/requests?limit=0', 'limit'],
  ['/admin/requests?limit=1001', 'limit'],
  ['/admin/requests?limit=1e2', 'limit'],
  ['/admin/requests?outcome=fine', 'outcome'],
  ['/admin/requests?from=yesterday', 'from'],
  ['/admin/requests?to=', 'to'],
  ['/admin/requests?model=', 'model'],
  [`/admin/requests?client=${'x'.repeat(257)}`, 'client'],
  ['/admin/requests?status=6xx', 'status'],
  ['/admin/requests?min_duration=long', 'min_duration'],
  ['/admin/requests?cursor=!', 'cursor'],
  ['/admin/requests?modle=gpt-4o', 'modle'],
])('%s is refused naming the parameter', async (path, param) => {
  const response = await gateway.admin(path)
  expect(response.status).toBe(400)
  expect(await response.json()).toMatchObject({ error: { param, code: 'invalid_parameter' } })
})

interface Page {
  data: { id: string; time: string }[]
  next_cursor: string | null
}

test('pages have every call once, although new ones come and many began in one millisecond', async () => {
  const seen: string[] = []
  let cursor: string | null = null
  do {
    const page: Page = await ask<Page>(`/admin/requests?limit=97${cursor === null ? '' : `&cursor=${cursor}`}`)
    seen.push(...page.data.map((call) => call.id))
    cursor = page.next_cursor
    store.recordUsage(usageRecord({ id: `req_${Bun.randomUUIDv7()}`, time: now + 5, client: 'late' }))
  } while (cursor !== null)
  const known = new Set(records.map((record) => record.id))
  const old = seen.filter((id) => known.has(id))
  expect(old).toHaveLength(records.length)
  expect(new Set(old).size).toBe(records.length)
})

const filters: [string, (record: UsageRecord) => boolean][] = [
  ['model=model-1&client=client-0', (record) => record.model === 'model-1' && record.client === 'client-0'],
  [
    'credential=credential-1&provider=provider-0',
    (record) => record.credential === 'credential-1' && record.provider === 'provider-0',
  ],
  ['outcome=cut', (record) => record.outcome === 'cut'],
  ['outcome=succeeded&min_duration=80s', (record) => record.outcome === 'succeeded' && record.durationMs >= 80_000],
  ['status=5xx', (record) => record.status >= 500],
  ['status=200&model=model-2', (record) => record.status === 200 && record.model === 'model-2'],
  ['min_duration=89000', (record) => record.durationMs >= 89_000],
  [
    `from=${(now - 30 * hourMs) / 1000}&to=${(now - 10 * hourMs) / 1000}`,
    (record) => record.time >= now - 30 * hourMs && record.time < now - 10 * hourMs,
  ],
]

test.each(filters)('/admin/requests?%s finds just those', async (filter, matches) => {
  const wanted = records.filter(matches).sort((a, b) => b.time - a.time)
  expect(wanted.length).toBeGreaterThan(3)
  const { data: found } = await ask<Page>(`/admin/requests?limit=1000&${filter}`)
  expect(new Set(found.map((call) => call.id))).toEqual(new Set(wanted.slice(0, 1000).map((record) => record.id)))
})

test('a call is found by its id, with what was tried; an unknown one is a 404', async () => {
  const trail = [
    {
      provider: 'p',
      model: 'm',
      credential: 'c…',
      failure: 'rate_limited',
      status: 429,
      code: 'rate',
      startMs: 1,
      durationMs: 20,
    },
  ] as const
  const record = usageRecord({ id: `req_${Bun.randomUUIDv7()}`, client: 'tried', trail })
  store.recordUsage(record)
  expect(await ask<object>(`/admin/requests/${record.id}`)).toMatchObject({
    id: record.id,
    client: 'tried',
    trail: [{ provider: 'p', failure: 'rate_limited', status: 429, start_ms: 1, duration_ms: 20 }],
  })
  expect(await ask<object>(`/admin/requests/${records[5]?.id}`)).toMatchObject({ id: records[5]?.id, trail: [] })
  for (const id of [`req_${Bun.randomUUIDv7()}`, 'nonsense', `req_${crypto.randomUUID()}`]) {
    expect((await gateway.admin(`/admin/requests/${id}`)).status).toBe(404)
  }
})

test('the CSV has every call of the filter, and no cell that a spreadsheet would run', async () => {
  const response = await gateway.admin(`/admin/requests?format=csv&limit=5&to=${now / 1000}`)
  expect(response.headers.get('content-type')).toStartWith('text/csv')
  expect(response.headers.get('content-disposition')).toMatch(/^attachment; filename="requests-\d{8}-\d{6}\.csv"$/)
  const text = await response.text()
  const lines = text.split('\r\n')
  expect(lines[0]).toBe(
    'id,time,client,path,model,provider,target_model,credential,status,outcome,stream,error_code,attempts,first_byte_ms,duration_ms,input_tokens,output_tokens,cached_tokens,reasoning_tokens,usage_source,cost_usd',
  )
  expect(lines).toHaveLength(records.length + 2)
  expect(text).toContain(`"'=HYPERLINK(""http://evil.example"",""x"")"`)
  expect(text).not.toMatch(/(?:^|,)"?[=+@-][^,]*[A-Z]+\(/m)
  const cost = lines
    .slice(1, -1)
    .reduce((total, line) => total + Math.round(Number(line.split(',').at(-1)) * 1_000_000), 0)
  expect(cost).toBe(records.reduce((total, record) => total + record.costMicroUsd, 0))
})

test('the JSON file is one array; the series comes as CSV too', async () => {
  const all = await ask<{ id: string }[]>(`/admin/requests?format=json&to=${now / 1000}&model=model-2`)
  expect(all).toHaveLength(records.filter((record) => record.model === 'model-2').length)
  expect(await ask<unknown[]>('/admin/requests?format=json&model=nobody')).toEqual([])
  const response = await gateway.admin(`/stats?from=30d&by=client&bucket=day&to=${now / 1000}`, {
    headers: { accept: 'text/csv' },
  })
  const [head = '', ...lines] = (await response.text()).trim().split('\r\n')
  expect(head).toStartWith('time,name,requests,succeeded')
  const at = head.split(',').indexOf('requests')
  const own = lines.map((line) => line.split(',')).filter((cells) => cells[1] === 'client-0')
  const requests = own.reduce((total, cells) => total + Number(cells[at]), 0)
  expect(requests).toBe(records.filter((record) => record.client === 'client-0').length)
})

test('a file that nobody reads any more is not read on, and one that is read slowly is not read ahead', async () => {
  let questions = 0
  const counting: Store = {
    ...store,
    requests: (filter) => {
      questions++
      return store.requests({ ...filter, limit: 10 })
    },
  }
  const one = await startGateway({ config: testConfig([]), memory: { ...createMemory(), store: counting } })
  const response = await one.app.handle(
    new Request('http://localhost/admin/requests?format=csv', { headers: { authorization: `Bearer ${adminKey}` } }),
  )
  const reader = response.body?.getReader()
  await reader?.read()
  await reader?.read()
  await Bun.sleep(20)
  expect(questions).toBeLessThanOrEqual(4)
  await reader?.cancel()
  const asked = questions
  await Bun.sleep(20)
  expect(questions).toBe(asked)
  await one.stop()
})

const adminKey = 'admin-of-the-tests-00000001'

test('no question makes the database read on for long: a page of rare calls comes in bounded steps', () => {
  const { sqlite, close } = openConnection(':memory:', { role: 'tool', maxPages: null })
  let clockMs = 0
  const slowClock = () => {
    clockMs += 20
    return clockMs
  }
  const names = createNames(sqlite)
  const rows = createRequestRows(sqlite, names, slowClock)
  for (let minute = 0; minute < 10; minute++) {
    rows.insert(usageRecord({ time: now - minute * 60_000, client: minute === 9 ? 'rare' : 'other' }))
  }
  const pages: number[] = []
  let page = rows.page({ limit: 10, client: 'rare' })
  while (page.nextCursor !== null) {
    pages.push(page.records.length)
    page = rows.page({ limit: 10, client: 'rare', cursor: page.nextCursor })
  }
  expect(pages.length).toBeGreaterThan(3)
  expect(page.records).toHaveLength(1)
  rows.close()
  names.close()
  close()
})
