import { describe, expect, test } from 'bun:test'
import { readEnvironment } from '../../src/config/environment.ts'
import { parseGoBoolean, respellGoDuration } from '../../src/config/go-spellings.ts'
import { translatePredecessors } from '../../src/config/predecessors.ts'
import { createReport } from '../../src/config/report.ts'
import { mergeLayers, type SettingsTree } from '../../src/config/settings-tree.ts'

/** What the environment of scira2api becomes, before anything of it is checked. */
function translate(environment: Readonly<Record<string, string>>, { hasOwnFile = false } = {}) {
  const report = createReport()
  const readFile = () => {
    throw Object.assign(new Error(), { code: 'ENOENT' })
  }
  const sources = { cwd: '/app', environment, readFile }
  const inherited = translatePredecessors(
    { ...sources, environment: readEnvironment(sources, report), hasOwnFile },
    report,
  )
  const { tree } = mergeLayers([...inherited.defaults, ...inherited.environment])
  return { tree, names: inherited.names, problems: report.problems, notices: report.notices }
}

function providersOf({ providers }: SettingsTree): unknown {
  return Object.entries(providers as SettingsTree).map(([name, each]) => [name, (each as SettingsTree).type])
}

test('APIKEY alone means Scira, with the defaults of its README', () => {
  const { tree, names, problems, notices } = translate({ APIKEY: 'a-scira-key-of-mine' })
  expect(tree).toEqual({
    server: { port: 8080 },
    access: {
      public_models: true,
      client_keys: ['a-scira-key-of-mine'],
      default_limits: { rps: 1, burst: 10 },
    },
    cache: { enabled: true, ttl: '5m', model_list_ttl: '1h' },
    providers: {
      scira: { type: 'scira', max_attempts: 3, timeouts: { first_byte: '600s' }, max_wait: '1200000ms' },
    },
    default_provider: 'scira',
  })
  expect(names).toEqual(['scira2api'])
  expect(problems).toEqual([])
  expect(notices).toEqual(['settings of scira2api recognised by environment APIKEY: they become provider scira'])
})

const kinds: readonly [Readonly<Record<string, string>>, string, string][] = [
  [{ BASE_URL: 'https://scira.ai/' }, 'scira', 'scira'],
  [{ BASE_URL: 'https://mcp.scira.ai' }, 'scira', 'scira'],
  [{ BASE_URL: 'https://notscira.ai' }, 'scira2api', 'openai'],
  [{ BASE_URL: 'https://scira.ai.example' }, 'scira2api', 'openai'],
  [{ BASE_URL: 'https://api.openai.com' }, 'scira2api', 'openai'],
  [{ BASE_URL: 'not an address' }, 'scira2api', 'openai'],
  [{ BASE_URL: 'https://mirror.example', MODEL_MAPPINGS: 'a:b,gpt-4o:scira-4o' }, 'scira', 'scira'],
  [{ BASE_URL: 'https://mirror.example', MODEL_MAPPINGS: 'scira-4o:gpt-4o' }, 'scira2api', 'openai'],
  [{ MODEL_MAPPINGS: 'gpt-4o:grok' }, 'scira', 'scira'],
  [{ BASE_URL: 'https://mirror.example', UPSTREAM_TYPE: 'Scira' }, 'scira', 'scira'],
  [{ MODEL_MAPPINGS: 'gpt-4o:scira-4o', UPSTREAM_TYPE: 'openai' }, 'scira2api', 'openai'],
]
test.each(kinds)('%j becomes the provider %s of type %s', (environment, name, type) => {
  const { tree } = translate(environment)
  expect(providersOf(tree)).toEqual([[name, type]])
  expect(tree.default_provider).toBe(name)
})

test('names of its own recognise it, those that others have too do not', () => {
  const others = { UPSTREAM_TYPE: 'scira', HTTP_PROXY: 'http://p:1', RETRY: '3', CACHE_ENABLED: 'true', BURST: '3' }
  expect(translate(others)).toMatchObject({ tree: {}, names: [], notices: [] })
})

describe('beside a file of our own', () => {
  const environment = { BASE_URL: 'https://scira.ai' }

  test('what everybody may do, and the cache, are the business of that file', () => {
    const { tree } = translate(environment, { hasOwnFile: true })
    expect(tree.access).toBeUndefined()
    expect(tree.cache).toBeUndefined()
    expect(providersOf(tree)).toEqual([['scira', 'scira']])
  })

  test('what the environment switches on, is on', () => {
    const { tree } = translate(
      { ...environment, RATE_LIMIT_ENABLED: 'T', BURST: '3', CACHE_ENABLED: '1' },
      { hasOwnFile: true },
    )
    expect(tree.access).toEqual({ default_limits: { rps: 1, burst: '3' } })
    expect(tree.cache).toEqual({ enabled: true })
  })
})

test('its proxy is no business of another program', () => {
  const { tree } = translate({
    ONDEMAND_APIKEYS: 'key1',
    BASE_URL: 'https://scira.ai',
    HTTP_PROXY: 'http://proxy.example:8080',
  })
  expect(tree).toMatchObject({
    server: { port: 7860 },
    default_provider: 'ondemand',
    providers: { scira: { proxy: 'http://proxy.example:8080' } },
  })
  expect((tree.providers as { ondemand: SettingsTree }).ondemand.proxy).toBeUndefined()
})

const bad: readonly [string, string, string][] = [
  ['MODEL_MAPPINGS', 'gpt-4o', 'must be pairs such as gpt-4o:scira-4o, separated by commas; the first is none'],
  ['MODEL_MAPPINGS', 'a:b,,c:', 'must be pairs such as gpt-4o:scira-4o, separated by commas; the second is none'],
  ['MODEL_MAPPINGS', 'a:b,c:d,e:f,:g', 'must be pairs such as gpt-4o:scira-4o, separated by commas; the 4th is none'],
  ['CACHE_ENABLED', 'on', 'must be true or false'],
  ['RATE_LIMIT_ENABLED', 'off', 'must be true or false'],
  ['UPSTREAM_TYPE', 'anthropic', 'must be scira or openai'],
]
test.each(bad)('%s=%s is refused with its place and not repeated', (name, value, message) => {
  const { problems } = translate({ BASE_URL: 'https://scira.ai', [name]: value })
  expect(problems).toEqual([{ place: `environment ${name}`, message }])
})

test('a service that needs a key gets one, or a line in the log says that it has none', () => {
  const environment = { APIKEY: 'a-scira-key-of-mine', UPSTREAM_TYPE: 'openai' }
  const without = translate(environment)
  expect(without.tree.providers).toMatchObject({ scira2api: { base_url: 'https://api.openai.com' } })
  expect(without.notices).toContain(
    'UPSTREAM_API_KEY is not set: the service that scira2api stood in front of is called without a key',
  )
  const { tree, notices } = translate({ ...environment, UPSTREAM_API_KEY: 'sk-one, sk-two' })
  expect(tree.providers).toMatchObject({ scira2api: { keys: ['sk-one', 'sk-two'] } })
  expect(notices).toHaveLength(1)
})

test('a colon in the name of a target is part of it', () => {
  const { tree } = translate({ BASE_URL: 'http://127.0.0.1:11434', MODEL_MAPPINGS: 'small:llama3:8b' })
  expect(tree.models).toEqual({ small: 'scira2api/llama3:8b' })
})

describe('spellings of Go', () => {
  test.each(['1', 't', 'T', 'TRUE', 'true', 'True'])('%s is true', (text) => {
    expect(parseGoBoolean(text)).toBe(true)
  })
  test.each(['0', 'f', 'F', 'FALSE', 'false', 'False'])('%s is false', (text) => {
    expect(parseGoBoolean(text)).toBe(false)
  })
  test.each(['yes', 'tRUE', '', '2'])('"%s" is neither', (text) => {
    expect(parseGoBoolean(text)).toBeNull()
  })

  test.each([
    ['1h30m', '5400000ms'],
    ['5m0s', '300000ms'],
    ['300ms', '300ms'],
    ['1.5h', '5400000ms'],
    ['+.5s', '500ms'],
    ['1h15m30.918s', '4530918ms'],
    ['250us', '1ms'],
    ['0s', '0ms'],
    ['1d', '1d'],
    ['-5m', '-5m'],
    ['5', '5'],
    ['soon', 'soon'],
    ['5m soon', '5m soon'],
  ])('the duration %s is %s', (text, expected) => {
    expect(respellGoDuration(text)).toBe(expected)
  })
})
