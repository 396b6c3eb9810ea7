import { describe, expect, test } from 'bun:test'
import { hashSecret } from '../../src/config/credential.ts'
import { readEnvironment } from '../../src/config/environment.ts'
import { type Predecessor, predecessors, translatePredecessors } from '../../src/config/predecessors.ts'
import { createReport } from '../../src/config/report.ts'
import { configOf, loadSettings, minimal, type Written } from './load-settings.ts'

const apiProxy = JSON.stringify({
  api: { url: 'https://up.example/v1/chat/completions', key: 'sk-upstream' },
  allowed_keys: ['first-client-of-mine', 'other-client-of-mine'],
  model_redirects: { 'gpt-4': 'gpt-4-turbo-preview', 'gpt-3.5-turbo': 'org/gpt-3.5' },
})

describe('api-proxy', () => {
  const found: readonly [string, Written][] = [
    ['config.json', { files: { 'config.json': apiProxy } }],
    ['config/config.json', { files: { 'config/config.json': apiProxy } }],
    ['CONFIG_PATH', { files: { '/app/else/any.name': apiProxy }, environment: { CONFIG_PATH: 'else/any.name' } }],
    ['CONFIG_PATH in .env', { files: { '/x.json': apiProxy, '.env': 'CONFIG_PATH=/x.json' } }],
    ['config.json with comments', { files: { 'config.json': `// mine\n${apiProxy}` } }],
  ]
  test.each(found)('is recognised by %s and keeps its meaning', (_, written) => {
    const config = configOf(loadSettings(written))
    expect(config.server.port).toBe(5000)
    expect(config.defaultProvider).toBe('api_proxy')
    expect(config.providers).toHaveLength(1)
    expect(config.providers[0]).toMatchObject({ name: 'api_proxy', baseUrl: 'https://up.example/v1', chatUrl: null })
    expect(config.providers[0]?.credentials.map(({ reveal }) => reveal())).toEqual(['sk-upstream'])
    expect(config.models).toEqual([
      { pattern: 'gpt-4', targets: [{ provider: 'api_proxy', model: 'gpt-4-turbo-preview' }], price: null },
      { pattern: 'gpt-3.5-turbo', targets: [{ provider: 'api_proxy', model: 'org/gpt-3.5' }], price: null },
    ])
    expect(config.access.clientKeys.map(({ hash }) => hash)).toEqual(
      ['first-client-of-mine', 'other-client-of-mine'].map(hashSecret),
    )
  })

  test.each([
    ['https://up.example/proxy/v1/chat/completions', 'https://up.example/proxy/v1', null],
    ['https://up.example/chat/completions', 'https://up.example/v1', 'https://up.example/chat/completions'],
    ['https://up.example/api/chat', 'https://up.example/api', 'https://up.example/api/chat'],
    [
      'https://up.example/x/chat/completions?api-version=1',
      'https://up.example/x',
      'https://up.example/x/chat/completions?api-version=1',
    ],
  ])('api.url %s is called as it is', (url, baseUrl, chatUrl) => {
    const text = JSON.stringify({ api: { url, key: 'sk-upstream' }, allowed_keys: ['a-client-key-of-mine'] })
    expect(configOf(loadSettings({ files: { 'config.json': text } })).providers[0]).toMatchObject({ baseUrl, chatUrl })
  })

  test('its file is watched, and settings it did not know are mentioned', () => {
    const text = JSON.stringify({ ...JSON.parse(apiProxy), api: { ...JSON.parse(apiProxy).api, retries: 3 }, extra: 1 })
    const { files, notices } = loadSettings({ files: { 'config.json': text } })
    expect(files).toEqual(['/app/.env', '/app/config.json'])
    expect(notices).toEqual([
      'settings of api-proxy recognised by config.json: they become provider api_proxy',
      'config.json: api.retries has no effect here',
      'config.json: extra has no effect here',
    ])
  })

  const bad: readonly [string, string, string, string][] = [
    ['an address left out', '{ "api": { "key": "k" }, "allowed_keys": [] }', 'config.json: api.url', 'is missing'],
    [
      'a key left out',
      '{ "api": { "url": "http://a/v1/chat/completions", "key": "" }, "allowed_keys": [] }',
      'config.json: api.key',
      'is missing',
    ],
    [
      'a key of a wrong type',
      '{ "api": { "url": "http://a/v1/chat/completions", "key": 5 }, "allowed_keys": [] }',
      'config.json: api.key',
      'must be text (numbers and the like in quotes)',
    ],
    [
      'an address that is none',
      '{ "api": { "url": "up.example", "key": "k" }, "allowed_keys": [] }',
      'config.json: api.url',
      'must be an address that begins with http:// or https://',
    ],
    [
      'client keys of a wrong type',
      '{ "api": { "url": "http://a/v1/chat/completions", "key": "k" }, "allowed_keys": "abc" }',
      'config.json: allowed_keys',
      'must be a list of client keys',
    ],
    [
      'a published client key',
      '{ "api": { "url": "http://a/v1/chat/completions", "key": "k" }, "allowed_keys": ["a-client-key-of-mine", "your-client-key-2"] }',
      'config.json: allowed_keys[1]',
      'is a published example or a placeholder; use a secret of your own',
    ],
    [
      'a published upstream key',
      '{ "api": { "url": "http://a/v1/chat/completions", "key": "your-api-key-here" }, "allowed_keys": [] }',
      'config.json: api.key',
      'a key is a published example or a placeholder; use a secret of your own',
    ],
    [
      'a redirect of a wrong type',
      '{ "api": { "url": "http://a/v1/chat/completions", "key": "k" }, "allowed_keys": [], "model_redirects": { "m.1": 5 } }',
      'config.json: model_redirects["m.1"]',
      'is not valid here',
    ],
    [
      'a mistake in its JSON',
      '{ "api": {}, "allowed_keys": [ }',
      'config.json',
      'is not valid JSON; the mistake is near line 1',
    ],
  ]
  test.each(bad)('%s is refused with its place in its own file', (_, text, place, message) => {
    const { problems } = loadSettings({ files: { 'config.json': text } })
    expect(problems).toContainEqual({ place, message })
  })

  test('a named file that is not there is refused', () => {
    const { problems } = loadSettings({ environment: { CONFIG_PATH: 'no.json' } })
    expect(problems).toContainEqual({
      place: 'environment CONFIG_PATH',
      message: 'no.json cannot be read: there is no such file',
    })
  })

  test('a config.json of something else means nothing', () => {
    const { problems } = loadSettings({ files: { 'config.json': '{ "api": {}, "other": 1 }' } })
    expect(problems.map(({ place }) => place)).toEqual(['any2api.yaml'])
  })
})

describe('the multi-key transparent proxy', () => {
  const keys = 'sk-one\nsk-two\n'

  const found: readonly [string, Written][] = [
    ['keys.txt', { files: { 'keys.txt': keys } }],
    ['KEYS_FILE', { files: { '/else/pool': keys }, environment: { KEYS_FILE: '/else/pool' } }],
    ['OPENAI_BASE_URL', { files: { 'keys.txt': keys }, environment: { OPENAI_BASE_URL: 'https://api.openai.com' } }],
  ]
  test.each(found)('is recognised by %s and has its defaults', (_, written) => {
    const config = configOf(loadSettings(written))
    expect(config.server).toMatchObject({ host: '0.0.0.0', port: 3000, corsOrigins: ['*'] })
    expect(config.defaultProvider).toBe('multi_key')
    expect(config.providers[0]).toMatchObject({
      name: 'multi_key',
      baseUrl: 'https://api.openai.com/v1',
      startIndex: 0,
      maxAttempts: 4,
      maxIdleSockets: 50,
      blacklist: { threshold: 1 },
      timeouts: { firstByteMs: 30_000 },
    })
    expect(config.providers[0]?.credentials.map(({ reveal }) => reveal())).toEqual(['sk-one', 'sk-two'])
  })

  test('every name of its documents is read, in its own unit', () => {
    const config = configOf(
      loadSettings({
        files: { 'pool.txt': '# mine\nsk-one\n\nno-prefix\n' },
        environment: {
          PORT: '3001',
          HOST: '127.0.0.1',
          KEYS_FILE: './pool.txt',
          START_INDEX: '1',
          BLACKLIST_THRESHOLD: '2',
          MAX_RETRIES: '0',
          OPENAI_BASE_URL: 'https://up.example/proxy/v1/',
          REQUEST_TIMEOUT: '1500',
          MAX_SOCKETS: '7',
          AUTH_KEY: 'the-client-key-of-all',
          ALLOWED_ORIGINS: 'https://a.example, https://b.example',
          LOG_LEVEL: 'warn',
          LOG_FORMAT: 'json',
          LOG_ENABLE_FILE: 'true',
          LOG_FILE_PATH: 'logs/mine.log',
        },
      }),
    )
    expect(config.server).toMatchObject({
      port: 3001,
      host: '127.0.0.1',
      corsOrigins: ['https://a.example', 'https://b.example'],
    })
    expect(config.providers[0]).toMatchObject({
      baseUrl: 'https://up.example/proxy/v1',
      startIndex: 1,
      maxAttempts: 1,
      maxIdleSockets: 7,
      blacklist: { threshold: 2 },
      timeouts: { firstByteMs: 1500, answerMs: 1500 },
    })
    expect(config.providers[0]?.credentials.map(({ reveal }) => reveal())).toEqual(['sk-one', 'no-prefix'])
    expect(config.access.clientKeys.map(({ hash }) => hash)).toEqual([hashSecret('the-client-key-of-all')])
    expect(config.log).toMatchObject({ level: 'warn', format: 'json', path: '/app/logs/mine.log' })
  })

  test.each([
    [{ ENABLE_CORS: 'true' }, ['*']],
    [{ ENABLE_CORS: 'TRUE' }, ['*']],
    [{ ENABLE_CORS: '1' }, []],
    [{ ENABLE_CORS: 'false', ALLOWED_ORIGINS: 'https://a.example' }, []],
    [{ ENABLE_CORS: 'true', ALLOWED_ORIGINS: 'https://a.example' }, ['https://a.example']],
  ])('cross-origin use with %j is allowed to %j', (environment, origins) => {
    expect(configOf(loadSettings({ files: { 'keys.txt': keys }, environment })).server.corsOrigins).toEqual(origins)
  })

  test('of both socket settings the one for idle connections counts', () => {
    const environment = { MAX_SOCKETS: '100', MAX_FREE_SOCKETS: '20' }
    expect(configOf(loadSettings({ files: { 'keys.txt': keys }, environment })).providers[0]?.maxIdleSockets).toBe(20)
  })

  test.each([
    [{ LOG_FILE_PATH: 'x.log' }, null],
    [{ LOG_ENABLE_FILE: 'false', LOG_FILE_PATH: 'x.log' }, null],
    [{ LOG_ENABLE_FILE: 'true' }, '/app/logs/app.log'],
    [{ LOG_ENABLE_FILE: 'true', LOG_PATH: 'own.log' }, '/app/own.log'],
  ])('with %j the log goes to %j', (environment, path) => {
    expect(configOf(loadSettings({ files: { 'keys.txt': keys }, environment })).log.path).toBe(path)
  })

  test.each(['ENABLE_KEEP_ALIVE', 'DISABLE_COMPRESSION', 'BUFFER_SIZE', 'LOG_ENABLE_REQUEST'])(
    '%s is mentioned as without effect',
    (name) => {
      const { notices, problems } = loadSettings({ files: { 'keys.txt': keys }, environment: { [name]: '65536' } })
      expect(problems).toEqual([])
      expect(notices.some((notice) => notice.startsWith(`environment ${name} has no effect here`))).toBe(true)
    },
  )

  const bad: readonly [string, string, string][] = [
    ['START_INDEX', 'x', 'must be a whole number, at least 0'],
    ['BLACKLIST_THRESHOLD', '0', 'must be a whole number, at least 1'],
    ['MAX_RETRIES', 'many', 'must be a whole number, at least 1'],
    ['REQUEST_TIMEOUT', 'soon', 'must be a duration with its unit, such as 500ms, 45s, 5m, 1h or 90d'],
    ['OPENAI_BASE_URL', 'api.openai.com', 'must be an address that begins with http:// or https://'],
    ['KEYS_FILE', 'none.txt', 'none.txt cannot be read: there is no such file'],
    ['AUTH_KEY', 'your-secret-key', 'is a published example or a placeholder; use a secret of your own'],
  ]
  test.each(bad)('a bad %s is refused by its own name', (name, value, message) => {
    const { problems } = loadSettings({ files: { 'keys.txt': keys }, environment: { [name]: value } })
    expect(problems).toEqual([{ place: `environment ${name}`, message }])
  })

  test('a unit may be written', () => {
    const written = { files: { 'keys.txt': keys }, environment: { REQUEST_TIMEOUT: '2m' } }
    expect(configOf(loadSettings(written)).providers[0]?.timeouts.firstByteMs).toBe(120_000)
  })

  test('keys.txt that is missing where it is the default is said so', () => {
    const { problems } = loadSettings({ environment: { OPENAI_BASE_URL: 'https://a' } })
    expect(problems).toHaveLength(1)
    expect(problems[0]?.place).toStartWith('providers.multi_key.keys_file (default of gpt-load')
    expect(problems[0]?.message).toBe('keys.txt cannot be read: there is no such file')
  })
})

describe('a program that let everybody in', () => {
  const files = { 'keys.txt': 'sk-one' }
  const said = (written: Written) =>
    loadSettings(written).notices.filter((notice) => notice.includes('let everybody in where AUTH_KEY was not set'))

  test('says once that clients need a key now', () => {
    expect(said({ files })).toHaveLength(1)
  })

  test.each([
    { files, environment: { AUTH_KEY: 'the-client-key-of-all' } },
    { files, environment: { CLIENT_KEYS: 'another-client-key-of-mine' } },
    { files, environment: { ALLOW_ANONYMOUS: 'true' } },
    { files: { ...files, 'any2api.yaml': minimal }, environment: { KEYS_FILE: 'keys.txt' } },
  ])('says nothing where that is decided: %j', (written) => {
    expect(said(written)).toEqual([])
  })
})

describe('together', () => {
  test('files of other programs mean nothing beside a file of our own', () => {
    const config = configOf(
      loadSettings({ files: { 'any2api.yaml': minimal, 'config.json': apiProxy, 'keys.txt': 'sk-a' } }),
    )
    expect(config.providers.map(({ name }) => name)).toEqual(['openai'])
    expect(config.server.port).toBe(7860)
  })

  test('their environment adds a provider to a file of our own, which may name the default and the port', () => {
    const files = { 'any2api.yaml': `server: { port: 1 }\ndefault_provider: openai\n${minimal}`, 'keys.txt': 'sk-a' }
    const config = configOf(loadSettings({ files, environment: { KEYS_FILE: 'keys.txt' } }))
    expect(config.providers.map(({ name }) => name).sort()).toEqual(['multi_key', 'openai'])
    expect(config).toMatchObject({ defaultProvider: 'openai', server: { port: 1 } })
  })

  test('several add up: the first gives port and default provider, client keys are united', () => {
    const result = loadSettings({
      files: { 'config.json': apiProxy, 'keys.txt': 'sk-a' },
      environment: { AUTH_KEY: 'a-third-client-of-mine', CLIENT_KEYS: 'a-fourth-client-key' },
    })
    const config = configOf(result)
    expect(config.providers.map(({ name }) => name).sort()).toEqual(['api_proxy', 'multi_key'])
    expect(config.defaultProvider).toBe('api_proxy')
    expect(config.server.port).toBe(5000)
    expect(config.access.clientKeys).toHaveLength(4)
    expect(result.notices).toContain('api-proxy gives the port and the default provider, unless they are set')
  })

  const otherUnit: Predecessor = {
    title: 'other',
    provider: 'other',
    recognisedBy: ['OTHER'],
    file: { variable: null, candidates: [], marks: [], settings: {} },
    defaults: () => [],
    environment: { REQUEST_TIMEOUT: { to: '/providers/other/timeouts/first_byte', unit: 's' } },
  }
  const translate = (environment: Record<string, string>) => {
    const report = createReport()
    const readFile = () => {
      throw Object.assign(new Error(), { code: 'ENOENT' })
    }
    const sources = { cwd: '/app', environment, readFile }
    const surroundings = { ...sources, environment: readEnvironment(sources, report), hasOwnFile: true }
    const inherited = translatePredecessors(surroundings, report, [...predecessors, otherUnit])
    return { problems: report.problems, trees: inherited.environment.map(({ tree }) => tree) }
  }

  test('a bare number that two programs read in different units is refused', () => {
    const { problems } = translate({ OTHER: '1', KEYS_FILE: 'k', REQUEST_TIMEOUT: '30' })
    expect(problems).toHaveLength(1)
    expect(problems[0]?.place).toBe('environment REQUEST_TIMEOUT')
    expect(problems[0]?.message).toStartWith(
      'write the number with a unit, such as 30s: without one it means ms to gpt-load',
    )
  })

  test('with a unit, or with one of the programs alone, it is clear', () => {
    expect(translate({ OTHER: '1', KEYS_FILE: 'k', REQUEST_TIMEOUT: '30s' }).problems).toEqual([])
    const { problems, trees } = translate({ OTHER: '1', REQUEST_TIMEOUT: '30' })
    expect(problems).toEqual([])
    expect(trees).toEqual([{ providers: { other: { timeouts: { first_byte: '30s' } } } }])
  })
})
