/** `/metrics`: text that Prometheus reads, JSON with the names of the replaced programs. */

import { afterAll, beforeAll, expect, test } from 'bun:test'
import { join } from 'node:path'
import { type OpenAiSimulator, startOpenAiSimulator } from '../../src/simulator/openai.ts'
import { startGateway, type TestGateway, testConfig, testProvider } from '../helpers/start-gateway.ts'

const good = 'sk-upstream-good-secret-0001'
const spent = 'sk-upstream-spent-secret-0002'
const oddModel = 'odd "model" \\ with\nline'
let upstream: OpenAiSimulator
let gateway: TestGateway

beforeAll(async () => {
  upstream = startOpenAiSimulator({ credentials: { [good]: { kind: 'good' }, [spent]: { kind: 'exhausted' } } })
  gateway = await startGateway({ config: testConfig([testProvider(upstream.baseUrl, [spent, good])]) })
  for (const model of ['gpt-4o', 'gpt-4o', oddModel]) {
    await (await gateway.chat({ model, messages: [{ role: 'user', content: 'hello' }] })).text()
  }
  await (await fetch(`${gateway.url}/nowhere`)).text()
  await gateway.recorded(3)
})

afterAll(async () => {
  await gateway.stop()
  upstream.stop()
})

async function scrape(accept = 'text/plain'): Promise<string> {
  const response = await gateway.admin('/metrics', { headers: { accept } })
  expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8')
  return response.text()
}

/** The value of the one line that begins so. */
function sampleOf(text: string, beginning: string): number {
  const lines = text.split('\n').filter((line) => line.startsWith(beginning))
  expect({ beginning, lines: lines.length }).toEqual({ beginning, lines: 1 })
  return Number(lines[0]?.split(' ').at(-1))
}

test('every family is announced once, with help and type', async () => {
  const text = await scrape()
  const names = text.match(/^# TYPE \S+/gm)?.map((line) => line.slice('# TYPE '.length)) ?? []
  expect(new Set(names).size).toBe(names.length)
  for (const name of names) expect(text).toContain(`# HELP ${name} `)
  expect(names).toEqual(
    expect.arrayContaining([
      'any2api_requests_total',
      'any2api_request_duration_seconds',
      'any2api_time_to_first_byte_seconds',
      'any2api_tokens_total',
      'any2api_cost_usd_total',
      'any2api_attempts_total',
      'any2api_refused_requests_total',
      'any2api_active_requests',
      'any2api_credentials',
      'any2api_breakers',
      'any2api_build_info',
      'process_cpu_seconds_total',
      'process_resident_memory_bytes',
      'process_start_time_seconds',
    ]),
  )
  expect(text).not.toContain('client=')
  expect(text).toEndWith('\n')
})

test('calls, attempts, tokens and states are counted', async () => {
  const text = await scrape()
  const target = 'provider="openai",model="gpt-4o"'
  expect(sampleOf(text, `any2api_requests_total{${target},status="200",outcome="succeeded"}`)).toBe(2)
  expect(sampleOf(text, `any2api_attempts_total{${target}}`)).toBe(3)
  expect(sampleOf(text, `any2api_tokens_total{${target},type="input"}`)).toBeGreaterThan(0)
  expect(sampleOf(text, `any2api_cost_usd_total{${target}}`)).toBeGreaterThan(0)
  expect(sampleOf(text, 'any2api_refused_requests_total{status="404"}')).toBe(1)
  expect(sampleOf(text, 'any2api_active_requests')).toBe(0)
  expect(sampleOf(text, 'any2api_credentials{provider="openai",state="healthy"}')).toBe(1)
  expect(sampleOf(text, 'any2api_credentials{provider="openai",state="cooling"}')).toBe(0)
  expect(sampleOf(text, 'any2api_credentials{provider="openai",state="blacklisted"}')).toBe(1)
  expect(sampleOf(text, 'any2api_credentials{provider="openai",state="paused"}')).toBe(0)
  expect(sampleOf(text, 'any2api_breakers{provider="openai",state="open"}')).toBe(0)
})

test('histograms are cumulative, in seconds, and end with all', async () => {
  const text = await scrape()
  const target = 'provider="openai",model="gpt-4o"'
  for (const name of ['any2api_request_duration_seconds', 'any2api_time_to_first_byte_seconds']) {
    const lines = text.split('\n').filter((line) => line.startsWith(`${name}_bucket{${target}`))
    const bounds = lines.map((line) => /le="([^"]+)"/.exec(line)?.[1])
    const counts = lines.map((line) => Number(line.split(' ').at(-1)))
    expect(bounds[0]).toBe('0.005')
    expect(bounds.at(-1)).toBe('+Inf')
    expect(counts).toEqual(counts.toSorted((a, b) => a - b))
    expect(counts.at(-1)).toBe(2)
    expect(sampleOf(text, `${name}_count{${target}}`)).toBe(2)
    expect(sampleOf(text, `${name}_sum{${target}}`)).toBeGreaterThan(0)
  }
})

test('a model name cannot break a line or a label', async () => {
  const text = await scrape()
  expect(text).toContain('model="odd \\"model\\" \\\\ with\\nline"')
  for (const line of text.split('\n')) {
    expect(line).toMatch(/^$|^# (?:HELP|TYPE) |^[a-z_0-9]+(?:\{(?:[a-z]+="(?:[^"\\\n]|\\["\\n])*",?)+\})? \S+$/)
  }
})

test('a scraper and a program that takes anything get text', async () => {
  await scrape('*/*')
  await scrape('application/openmetrics-text;version=1.0.0;q=0.6,text/plain;version=0.0.4;q=0.5,*/*;q=0.1')
})

test('JSON has the names of the redirect proxy and of the Scira client', async () => {
  const response = await gateway.admin('/metrics', { headers: { accept: 'application/json' } })
  const body = (await response.json()) as Record<string, unknown>
  expect(body).toMatchObject({
    active_requests: 0,
    total_requests: 3,
    error_count: 0,
    uptime_seconds: expect.any(Number),
    cpu_cores: expect.any(Number),
    model_redirects: 0,
    cache_stats: { enabled: false, response_cache: { hits: 0, misses: 0, size: 0, hit_rate: 0 } },
    rate_stats: { enabled: false, allowed_count: 0, rejected_count: 0 },
    conn_stats: { active_connections: 0 },
    mem_stats: { rss: expect.any(Number) },
  })
  expect(body).not.toHaveProperty('goroutines')
})

interface GrafanaPanel {
  id: number
  title: string
  gridPos: { x: number; y: number; w: number; h: number }
  targets: { expr: string; datasource: { uid: string } }[]
}

test('every name in the Grafana dashboard is one that we export, and every panel asks the chosen data source', async () => {
  const board = (await Bun.file(join(import.meta.dir, '../../deploy/grafana-dashboard.json')).json()) as {
    panels: GrafanaPanel[]
    templating: { list: { name: string; definition?: string }[] }
  }
  const text = await scrape()
  const exported = new Set([...text.matchAll(/^([a-z][a-z0-9_]*)[{ ]/gm)].map((match) => match[1]))
  const asked = board.panels.flatMap((panel) => panel.targets.map((target) => target.expr))
  const defined = board.templating.list.flatMap(({ definition }) => definition ?? [])
  const names = [...asked, ...defined].join('\n').match(/\b(?:any2api|process)_[a-z0-9_]+/g) ?? []
  expect(new Set(names).size).toBeGreaterThan(15)
  expect([...new Set(names)].filter((name) => !exported.has(name))).toEqual([])
  // What is exported and about calls is shown, too.
  const families = [...text.matchAll(/^# TYPE (any2api_\S+)/gm)].map((match) => match[1] ?? '')
  expect(families.filter((family) => !names.some((name) => name.startsWith(family)))).toEqual([])
  expect(board.templating.list[0]?.name).toBe('datasource')
  for (const panel of board.panels) {
    for (const target of panel.targets) expect(target.datasource.uid).toBe(['$', '{datasource}'].join(''))
  }
  expect(new Set(board.panels.map((panel) => panel.id)).size).toBe(board.panels.length)
})
