/** Settings of `type: scira`. */
import { describe, expect, test } from 'bun:test'
import { configOf, loadSettings, loadYaml } from './load-settings.ts'

const yaml = (settings: string) => `providers: { s: { type: scira${settings === '' ? '' : `, ${settings}`} } }`

test('nothing but the type must be written: signed out, as of today, keeping nothing', () => {
  const result = loadYaml(yaml(''))
  const [provider] = configOf(result).providers
  const { credentials, ...rest } = provider ?? { credentials: [] }
  expect(credentials.map(({ kind, label, reveal }) => [kind, label, reveal()])).toEqual([
    ['anonymous', 'signed out', ''],
  ])
  expect(result.notices).toContain('provider s has no cookies: it is called signed out')
  expect(rest).toEqual({
    name: 's',
    type: 'scira',
    headers: {},
    rotation: 'round_robin',
    startIndex: 0,
    blacklist: { threshold: 3, cooldownMs: 60_000, recheckMs: 3_600_000 },
    breaker: { failures: 5, ratio: 0.5, minCalls: 20, windowMs: 30_000, openMs: 30_000, maxOpenMs: 300_000 },
    timeouts: { firstByteMs: 60_000, answerMs: 600_000, idleMs: 120_000 },
    maxAttempts: 4,
    maxWaitMs: 120_000,
    proxy: null,
    isHttp2: false,
    maxIdleSockets: null,
    baseUrl: 'https://scira.ai',
    path: '/api/search',
    generation: 'current',
    streamFormat: 'auto',
    group: 'chat',
    timezone: 'UTC',
    visibility: 'private',
    isTemporary: true,
    systemPlacement: 'first_user_message',
    reasoning: 'reasoning_content',
    models: {},
    defaultModel: null,
    unsupported: 'drop',
    rateLimitRestMs: 3_600_000,
  })
})

test('every setting is read, and what is shown can be written again', () => {
  const written = `
cookies: ["Cookie: session=a-value-of-an-account; theme=dark", " other=value "], base_url: "http://a/b/", path: /c, generation: mid_2025,
stream_format: v4, headers: { user-agent: mine }, group: web, timezone: Asia/Shanghai, visibility: public, temporary: false,
system_prompt: message, reasoning: hidden, models: { m: scira-m }, default_model: m, unsupported: refuse, rate_limit_rest: 7s`
  const result = loadYaml(yaml(written.replaceAll('\n', ' ')))
  const [provider] = configOf(result).providers
  expect(provider).toMatchObject({
    baseUrl: 'http://a/b',
    path: '/c',
    generation: 'mid_2025',
    streamFormat: 'v4',
    headers: { 'user-agent': 'mine' },
    group: 'web',
    timezone: 'Asia/Shanghai',
    visibility: 'public',
    isTemporary: false,
    systemPlacement: 'message',
    reasoning: 'hidden',
    models: { m: 'scira-m' },
    defaultModel: 'm',
    unsupported: 'refuse',
    rateLimitRestMs: 7000,
  })
  expect(provider?.credentials.map(({ kind, reveal }) => [kind, reveal()])).toEqual([
    ['cookie', 'session=a-value-of-an-account; theme=dark'],
    ['cookie', 'other=value'],
  ])
  const { s } = result.effective.providers as Record<string, Record<string, unknown>>
  expect(JSON.stringify(s)).not.toContain('a-value')
  expect(s).toMatchObject({ credentials: 2, headers: { 'user-agent': '***' } })
  expect(s?.cookies).toHaveLength(2)
  const { credentials, cookies, ...shown } = s ?? {}
  const rewritten = Object.fromEntries(Object.entries(shown).filter(([, value]) => value !== null))
  const again = JSON.stringify({
    providers: { s: { ...rewritten, cookies: ['session=a-value-of-an-account', 'a=b'] } },
  })
  expect(loadSettings({ files: { 'any2api.json': again } }).effective.providers).toMatchObject({ s: shown })
})

describe('what is refused, without repeating it', () => {
  test.each([
    ['cookies: []', 'providers.s.cookies', 'names no cookie'],
    ['cookies: [""]', 'providers.s.cookies[0]', 'is empty'],
    ['cookies: ["secret-token"]', 'providers.s.cookies[0]', 'must be a Cookie header'],
    ['cookies: ["a=b; secret-token"]', 'providers.s.cookies[0]', 'must be a Cookie header'],
    ['cookies: ["a=secret-token\\nb"]', 'providers.s.cookies[0]', 'line break'],
    ['cookies: ["session=<your cookie>"]', 'providers.s.cookies[0]', 'placeholder'],
    ['cookies: ["session=changeme"]', 'providers.s.cookies[0]', 'placeholder'],
    ['timezone: Nowhere/At-All', 'providers.s.timezone', 'time zone'],
    ['generation: "2025"', 'providers.s.generation', 'must be one of current, mid_2025'],
    ['stream_format: v6', 'providers.s.stream_format', 'must be one of auto, v4, v5'],
    ['base_url: "scira.ai"', 'providers.s.base_url', 'http'],
    ['keys: [secret-token]', 'providers.s.keys', 'type: openai'],
    ['accounts: []', 'providers.s.accounts', 'type: ondemand'],
    ['cookie: a=b', 'providers.s.cookie', 'did you mean cookies?'],
  ])('%s', (settings, place, message) => {
    const { problems } = loadYaml(yaml(settings))
    const problem = problems.find((one) => one.place.endsWith(place))
    expect(problem?.message).toContain(message)
    expect(JSON.stringify(problems)).not.toContain('secret-token')
  })
})

test('a cookie that is given twice counts once', () => {
  const { config, notices } = loadYaml(yaml('cookies: ["a=b", " a=b"]'))
  expect(config?.providers[0]?.credentials).toHaveLength(1)
  expect(notices.some((notice) => notice.includes('is given twice and counts once'))).toBe(true)
})
