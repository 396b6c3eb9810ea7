import { describe, expect, test } from 'bun:test'
import { hashSecret } from '../../src/config/credential.ts'
import { noLimits } from '../../src/domain.ts'
import {
  configOf,
  loadSettings,
  loadYaml,
  minimal,
  openAiProviderOf,
  unreadable,
  type Written,
} from './load-settings.ts'

describe('defaults', () => {
  test('a provider is all that must be written', () => {
    const config = configOf(loadYaml(minimal))
    const [provider] = config.providers
    expect(config.server).toEqual({
      host: '0.0.0.0',
      port: 7860,
      corsOrigins: ['*'],
      maxBodyBytes: 64 * 1024 * 1024,
      shutdownGraceMs: 30_000,
      keepAliveMs: 15_000,
      isSwaggerEnabled: true,
      areMetricsPublic: false,
    })
    expect(config.access).toEqual({
      adminKeyHash: null,
      isAnonymousAllowed: false,
      areModelsPublic: false,
      defaultLimits: noLimits,
      clientKeys: [],
    })
    expect(provider).toMatchObject({
      name: 'openai',
      type: 'openai',
      baseUrl: 'https://api.openai.com/v1',
      chatUrl: null,
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
      streamUsage: 'auto',
      maxIdleSockets: null,
    })
    expect(config.defaultProvider).toBe('openai')
    expect(config.store).toEqual({
      directory: '/app/data',
      isDirectoryNamed: false,
      retentionMs: 7_776_000_000,
      maxBytes: 2_147_483_648,
      timezone: 'UTC',
      importFile: null,
    })
    expect(config.log).toEqual({ level: 'info', format: 'auto', path: null, retentionMs: 604_800_000 })
    expect(config.defaultModelPrice).toEqual({ input: 1, output: 3, cachedInput: null })
  })

  test('answers get the deadline of the first byte where that is set', () => {
    const [provider] = configOf(
      loadYaml(`providers: { a: { base_url: "http://a/v1", timeouts: { first_byte: 5s } } }`),
    ).providers
    expect(provider?.timeouts).toEqual({ firstByteMs: 5000, answerMs: 5000, idleMs: 120_000 })
  })

  test('with several providers none is the default unless named', () => {
    const text = 'providers: { a: { base_url: "http://a" }, b: { base_url: "http://b" } }'
    expect(configOf(loadYaml(text)).defaultProvider).toBeNull()
    expect(configOf(loadYaml(`${text}\ndefault_provider: b`)).defaultProvider).toBe('b')
  })

  test('null means "not set"', () => {
    const config = configOf(loadYaml(`${minimal}\nserver:\nlog: { path: null }\ndefault_provider: ~`))
    expect(config.log.path).toBeNull()
    expect(config.server.port).toBe(7860)
  })
})

describe('where settings come from', () => {
  const json = '{ "server": { "port": 81 }, /* comments are fine */ "providers": { "a": { "base_url": "http://a" } } }'
  const toml = '[server]\nport = 81\n[providers.a]\nbase_url = "http://a"'
  const yaml = 'server: { port: 81 }\nproviders: { a: { base_url: "http://a" } }'
  const places: readonly [string, Written][] = [
    ['any2api.yaml', { files: { 'any2api.yaml': yaml } }],
    ['any2api.yml', { files: { 'any2api.yml': yaml } }],
    ['any2api.json', { files: { 'any2api.json': json } }],
    ['any2api.jsonc', { files: { 'any2api.jsonc': json } }],
    ['any2api.toml', { files: { 'any2api.toml': toml } }],
    ['/etc/any2api', { files: { '/etc/any2api/any2api.yaml': yaml } }],
    ['a byte order mark', { files: { 'any2api.yaml': `\ufeff${yaml}` } }],
    ['ANY2API_CONFIG', { files: { '/else/my.toml': toml }, environment: { ANY2API_CONFIG: '/else/my.toml' } }],
    ['--config', { files: { 'sub/my.json': json, 'any2api.yaml': minimal }, flags: { config: 'sub/my.json' } }],
    [
      '--config over ANY2API_CONFIG',
      { files: { 'b.yaml': yaml }, environment: { ANY2API_CONFIG: 'a.yaml' }, flags: { config: 'b.yaml' } },
    ],
  ]
  test.each(places)('settings are read from %s', (_, written) => {
    expect(configOf(loadSettings(written)).server.port).toBe(81)
  })

  test('the working directory comes before /etc', () => {
    const files = { 'any2api.toml': toml, '/etc/any2api/any2api.yaml': minimal }
    expect(configOf(loadSettings({ files })).server.port).toBe(81)
  })

  test('flags win over the environment, that over .env, that over the file, that over defaults', () => {
    const file = { 'any2api.yaml': `server: { port: 1 }\n${minimal}` }
    const envFile = { '.env': 'PORT=2' }
    const environment = { PORT: '3' }
    const port = (written: Written) => configOf(loadSettings(written)).server.port
    expect(port({ files: file })).toBe(1)
    expect(port({ files: { ...file, ...envFile } })).toBe(2)
    expect(port({ files: { ...file, ...envFile }, environment })).toBe(3)
    expect(port({ files: { ...file, ...envFile }, environment, flags: { port: '4' } })).toBe(4)
  })

  test('every variable of our own is read', () => {
    const config = configOf(
      loadYaml(minimal, {
        HOST: '127.0.0.1',
        PORT: '8080',
        DATA_DIR: 'state',
        ADMIN_KEY: 'an-admin-key-of-mine',
        CLIENT_KEYS: 'first-client-key-1, second-client-key,',
        ALLOW_ANONYMOUS: 'TRUE',
        LOG_LEVEL: 'WARNING',
        LOG_FORMAT: '%(asctime)s %(message)s',
        LOG_PATH: 'logs/a.log',
      }),
    )
    expect(config.server).toMatchObject({ host: '127.0.0.1', port: 8080 })
    expect(config.store).toMatchObject({ directory: '/app/state', isDirectoryNamed: true })
    expect(config.access.adminKeyHash).toBe(hashSecret('an-admin-key-of-mine'))
    expect(config.access.isAnonymousAllowed).toBe(true)
    expect(config.access.clientKeys.map(({ name, hash }) => [name, hash])).toEqual([
      ['client-1', hashSecret('first-client-key-1')],
      ['client-2', hashSecret('second-client-key')],
    ])
    expect(config.log).toMatchObject({ level: 'warn', format: 'text', path: '/app/logs/a.log' })
  })

  test.each([
    ['debug', 'debug'],
    ['INFO', 'info'],
    ['Warning', 'warn'],
    ['CRITICAL', 'error'],
  ])('log level %s means %s', (written, level) => {
    expect(configOf(loadYaml(minimal, { LOG_LEVEL: written })).log.level).toBe(level as 'debug')
  })

  test('an empty variable counts as not set', () => {
    const config = configOf(loadYaml(minimal, { PORT: '', ADMIN_KEY: '', CLIENT_KEYS: ' ', LOG_LEVEL: '' }))
    expect(config.server.port).toBe(7860)
    expect(config.access.adminKeyHash).toBeNull()
  })

  test.each([
    [
      '--data-dir',
      { flags: { dataDir: '/flag' }, environment: { DATA_DIR: '/own', STATE_DIRECTORY: '/systemd' } },
      '/flag',
    ],
    ['DATA_DIR', { environment: { DATA_DIR: '/own', STATE_DIRECTORY: '/systemd' } }, '/own'],
    ['STATE_DIRECTORY', { environment: { STATE_DIRECTORY: '/systemd:/other' } }, '/systemd'],
  ])('%s names the data directory', (_, written, directory) => {
    const config = configOf(loadSettings({ ...written, files: { 'any2api.yaml': minimal } }))
    expect(config.store).toMatchObject({ directory, isDirectoryNamed: true })
  })

  test('client keys of file and environment are united', () => {
    const text = `${minimal}\naccess: { client_keys: [{ name: client-1, key: key-in-the-file-1, models: ["gpt-*"], stateful: true }, key-in-the-file-2] }`
    const { config, notices } = loadYaml(text, { CLIENT_KEYS: 'key-of-environment,key-in-the-file-1' })
    expect(config?.access.clientKeys.map(({ name }) => name)).toEqual(['client-1', 'client-2', 'client-3'])
    expect(config?.access.clientKeys[0]).toMatchObject({ models: ['gpt-*'], isStateful: true })
    expect(notices.join('\n')).toContain('environment CLIENT_KEYS: a client key that is given twice counts once')
  })

  test('the files to watch are all that were read or would be', () => {
    const text = 'providers: { a: { base_url: "http://a", keys_file: [pool.txt, /run/b.txt] } }'
    const files = { '/etc/any2api/any2api.yaml': text, '/etc/any2api/pool.txt': 'k1', '/run/b.txt': 'k2' }
    const result = loadSettings({ files })
    expect(result.files).toEqual(['/app/.env', '/etc/any2api/any2api.yaml', '/etc/any2api/pool.txt', '/run/b.txt'])
    expect(result.configFile).toBe('/etc/any2api/any2api.yaml')
  })
})

describe(`\${NAME}`, () => {
  test('stands for a variable in any text, in lists and in names of switches and numbers', () => {
    const text = [
      `server: { port: "\${P}", swagger: "\${OFF}" }`,
      `providers: { a: { base_url: "https://\${H}/v1", keys: ["\${K}"], max_wait: "\${W:-90s}", headers: { x: "$\${H}" } } }`,
    ].join('\n')
    const config = configOf(loadYaml(text, { P: '99', OFF: 'false', H: 'host.example', K: 'sk-k', W: '' }))
    expect(config.server).toMatchObject({ port: 99, isSwaggerEnabled: false })
    expect(config.providers[0]).toMatchObject({
      baseUrl: 'https://host.example/v1',
      maxWaitMs: 90_000,
      headers: { x: `\${H}` },
    })
    expect(config.providers[0]?.credentials[0]?.reveal()).toBe('sk-k')
  })

  test('is read from .env as well', () => {
    const files = {
      'any2api.yaml': `providers: { a: { base_url: "\${URL}" } }`,
      '.env': 'export URL="http://a/b" # mine\r\n',
    }
    expect(openAiProviderOf(loadSettings({ files })).baseUrl).toBe('http://a/b')
  })
})

describe('providers', () => {
  test.each([
    ['https://api.openai.com', 'https://api.openai.com/v1'],
    ['https://api.openai.com/', 'https://api.openai.com/v1'],
    ['http://localhost:11434/v1/', 'http://localhost:11434/v1'],
    ['https://host/openai/v2//', 'https://host/openai/v2'],
  ])('base_url %s becomes %s', (written, baseUrl) => {
    expect(openAiProviderOf(loadYaml(`providers: { a: { base_url: "${written}" } }`)).baseUrl).toBe(baseUrl)
  })

  test.each([
    ['https://host/v1/chat/completions', 'https://host/v1'],
    ['https://host/chat/completions', 'https://host/v1'],
    ['https://host/api/chat?version=1', 'https://host/api'],
    ['https://host', 'https://host/v1'],
  ])('of chat_url %s alone the other endpoints are sought at %s', (chatUrl, baseUrl) => {
    const provider = openAiProviderOf(loadYaml(`providers: { a: { chat_url: "${chatUrl}" } }`))
    expect(provider.baseUrl).toBe(baseUrl)
    expect(provider.chatUrl).toBe(new URL(chatUrl).href)
  })

  test('an upstream without keys gets one empty credential, and the log says so', () => {
    const { config, notices } = loadYaml('providers: { local: { base_url: "http://127.0.0.1:11434" } }')
    expect(config?.providers[0]?.credentials.map(({ label, reveal }) => [label, reveal()])).toEqual([['keyless', '']])
    expect(notices).toEqual(['provider local has neither keys nor keys_file: it is called without a key'])
  })

  test('keys of list and files are cleaned, distinct, in order, and counted', () => {
    const files = {
      'any2api.yaml': 'providers: { a: { base_url: "http://a", keys: [k-1, " k-2 ", k-1], keys_file: pool.txt } }',
      'pool.txt': '\ufeffk-3\r\n\r\n# mine\r\n  k-2\u200b\r\nk-4\u00a0\r\n\r\n',
    }
    const { config, notices } = loadSettings({ files })
    expect(config?.providers[0]?.credentials.map(({ reveal }) => reveal())).toEqual(['k-1', 'k-2', 'k-3', 'k-4'])
    expect(notices).toEqual([
      'any2api.yaml: providers.a.keys: 2 keys, 1 duplicate ignored',
      'pool.txt: 2 keys, 2 empty lines, 1 comment and 1 duplicate ignored',
    ])
  })

  test('ten thousand keys are read, frozen and shown briefly', () => {
    const lines = Array.from({ length: 10_000 }, (_, index) => `sk-key-number-${index}`).join('\n')
    const files = {
      'any2api.yaml': 'providers: { a: { base_url: "http://a", keys_file: pool.txt } }',
      'pool.txt': lines,
    }
    const { config, effective } = loadSettings({ files })
    expect(config?.providers[0]?.credentials).toHaveLength(10_000)
    expect(JSON.stringify(effective).length).toBeLessThan(5000)
  })

  test('models and prices keep their patterns, targets and order', () => {
    const text = `
providers: { a: { base_url: "http://a" }, b: { base_url: "http://b" } }
models:
  gpt-4: a/gpt-4-turbo
  "o1*": "a/*"
  fast: { targets: [a/mini, b/org/mini], price: { input: 0.15, output: 0.6, cached_input: 0.1 } }
  one: { target: b/x }
prices: { "gpt-4*": { input: 5, output: 15 } }
default_model_price: { input: 2, output: 4 }`
    const config = configOf(loadYaml(text))
    expect(config.models).toEqual([
      { pattern: 'gpt-4', targets: [{ provider: 'a', model: 'gpt-4-turbo' }], price: null },
      { pattern: 'o1*', targets: [{ provider: 'a', model: '*' }], price: null },
      {
        pattern: 'fast',
        targets: [
          { provider: 'a', model: 'mini' },
          { provider: 'b', model: 'org/mini' },
        ],
        price: { input: 0.15, output: 0.6, cachedInput: 0.1 },
      },
      { pattern: 'one', targets: [{ provider: 'b', model: 'x' }], price: null },
    ])
    expect(config.prices).toEqual({ 'gpt-4*': { input: 5, output: 15, cachedInput: null } })
    expect(config.defaultModelPrice).toEqual({ input: 2, output: 4, cachedInput: null })
  })

  test('a configuration is frozen throughout', () => {
    const config = configOf(loadYaml(`${minimal}\naccess: { client_keys: [a-client-key-of-mine] }`))
    expect(Object.isFrozen(config)).toBe(true)
    expect(Object.isFrozen(config.access.clientKeys[0])).toBe(true)
    expect(Object.isFrozen(config.providers[0]?.credentials)).toBe(true)
    expect(Object.isFrozen(config.providers[0]?.credentials[0])).toBe(true)
  })
})

describe('OnDemand', () => {
  const yaml = (settings: string) => `providers: { od: { type: ondemand, ${settings} } }`

  test('keys or accounts are all that must be written', () => {
    const [provider] = configOf(loadYaml(yaml('keys: [key-one]'))).providers
    const { credentials, ...rest } = provider ?? { credentials: [] }
    expect(credentials.map(({ kind, user, reveal }) => [kind, user, reveal()])).toEqual([['key', null, 'key-one']])
    expect(rest).toEqual({
      name: 'od',
      type: 'ondemand',
      headers: {},
      rotation: 'round_robin',
      startIndex: 0,
      blacklist: { threshold: 3, cooldownMs: 600_000, recheckMs: 3_600_000 },
      breaker: { failures: 5, ratio: 0.5, minCalls: 20, windowMs: 30_000, openMs: 30_000, maxOpenMs: 300_000 },
      timeouts: { firstByteMs: 60_000, answerMs: 600_000, idleMs: 90_000 },
      maxAttempts: 4,
      maxWaitMs: 120_000,
      proxy: null,
      isHttp2: false,
      maxIdleSockets: null,
      chatBase: 'https://api.on-demand.io/chat/v1',
      clientBase: 'https://api.on-demand.io/chat/v1/client',
      authBase: 'https://gateway.on-demand.io/v1',
      signInPath: '/auth/user/signin',
      refreshPath: '/auth/user/refresh_token',
      configBase: 'https://api.on-demand.io/config/v1/public',
      accountHeaders: {},
      models: {},
      defaultEndpointId: null,
      catalogueMs: 3_600_000,
      session: { isReused: false, idleMs: 600_000, isDeleted: true },
      systemPlacement: 'query',
      maxQueryLength: null,
      pluginField: 'omit',
      plugins: [],
      isFulfillmentOnly: false,
      isMaxTokensSent: false,
      reasoning: 'reasoning_content',
      unsupported: 'drop',
      requestTimeoutMs: 45_000,
      strayPauseMs: 600,
      rateLimitRestMs: 300_000,
      signInRetry: { waitMs: 60_000, longRestMs: 3_600_000 },
      retries: { max: 0, baseMs: 3000 },
    })
  })

  test('a keep_alive that the connection would not live to see is refused', () => {
    const { problems } = loadYaml(`${minimal}\nserver: { keep_alive: 5m }`)
    expect(problems.map(({ place }) => place)).toEqual(['any2api.yaml: server.keep_alive'])
  })

  test.each([
    ['chat_base: "http://a:1/chat/v1"', 'http://a:1/config/v1/public'],
    ['client_base: "http://b:2/chat/v1/client"', 'http://b:2/config/v1/public'],
    ['chat_base: "http://a:1/chat/v1", client_base: "http://b:2/x"', 'http://a:1/config/v1/public'],
    ['chat_base: "http://a:1/chat/v1", config_base: "http://c:3/y"', 'http://c:3/y'],
  ])('no credential goes to the usual host for the catalogue when calls go elsewhere: %s', (written, configBase) => {
    const [provider] = configOf(loadYaml(yaml(`keys: [key-one], ${written}`))).providers
    expect(provider).toMatchObject({ configBase })
  })

  test('accounts that are masked alike can be told apart', () => {
    const accounts = ['alice', 'anna', 'bob'].map((name) => `{ email: ${name}@example.com, password: p }`)
    const [provider] = configOf(loadYaml(yaml(`accounts: [${accounts.join(', ')}]`))).providers
    const labels = provider?.credentials.map(({ label }) => label) ?? []
    expect(new Set(labels).size).toBe(3)
    expect(labels[0]).toMatch(/^a\*{3}@example\.com [0-9a-f]{8}$/)
    expect(labels[2]).toBe('b***@example.com')
  })

  test('every setting is read, and what is shown can be written again', () => {
    const written = `
keys: [key-one], accounts: [{ email: " Alice@example.com ", password: " p: w " }],
chat_base: "http://a/chat/", client_base: "http://b", auth_base: "http://c/v1", sign_in_path: /in, refresh_path: /again, config_base: "http://d",
account_headers: { user-agent: mine }, models: { m: predefined-m }, default_endpoint_id: predefined-d, catalogue_refresh: 5m,
sessions: { reuse: true, idle: 1m, delete: false }, system_prompt: fulfillment_prompt, max_query_length: 1000, plugins: [plugin-1],
fulfillment_only: true, send_max_tokens: true, reasoning: hidden, unsupported: refuse, request_timeout: 9s, stray_pause: 1s,
rate_limit_rest: 7s, sign_in: { wait: 8s, long_rest: 2h }, retries: { max: 2, base: 0s }`
    const result = loadYaml(yaml(written.replaceAll('\n', ' ')))
    const [provider] = configOf(result).providers
    expect(provider).toMatchObject({
      chatBase: 'http://a/chat',
      clientBase: 'http://b',
      authBase: 'http://c/v1',
      signInPath: '/in',
      refreshPath: '/again',
      configBase: 'http://d',
      accountHeaders: { 'user-agent': 'mine' },
      models: { m: 'predefined-m' },
      defaultEndpointId: 'predefined-d',
      catalogueMs: 300_000,
      session: { isReused: true, idleMs: 60_000, isDeleted: false },
      systemPlacement: 'fulfillment_prompt',
      maxQueryLength: 1000,
      pluginField: 'pluginIds',
      plugins: ['plugin-1'],
      isFulfillmentOnly: true,
      isMaxTokensSent: true,
      reasoning: 'hidden',
      unsupported: 'refuse',
      requestTimeoutMs: 9000,
      strayPauseMs: 1000,
      rateLimitRestMs: 7000,
      signInRetry: { waitMs: 8000, longRestMs: 7_200_000 },
      retries: { max: 2, baseMs: 0 },
    })
    expect(provider?.credentials.map(({ kind, user, reveal }) => [kind, user, reveal()])).toEqual([
      ['key', null, 'key-one'],
      ['account', 'Alice@example.com', ' p: w '],
    ])
    const { od } = result.effective.providers as Record<string, Record<string, unknown>>
    expect(od).toMatchObject({ accounts: ['A***@example.com'], account_headers: { 'user-agent': '***' } })
    const { credentials, keys, accounts, ...shown } = od ?? {}
    const rewritten = Object.fromEntries(Object.entries(shown).filter(([, value]) => value !== null))
    const again = JSON.stringify({ providers: { od: { ...rewritten, keys: ['key-one'] } } })
    expect(loadSettings({ files: { 'any2api.json': again } }).effective.providers).toMatchObject({ od: shown })
  })

  test('an account is known by its e-mail: a changed password changes nothing, the case of letters neither', () => {
    const idOf = (email: string, password: string) =>
      configOf(loadYaml(yaml(`accounts: [{ email: ${email}, password: ${password} }]`))).providers[0]?.credentials[0]
        ?.id
    expect(idOf('a@b.example', 'old')).toMatch(/^[0-9a-f]{16}$/)
    expect(idOf('A@b.example', 'new')).toBe(idOf('a@b.example', 'old'))
    expect(idOf('c@b.example', 'old')).not.toBe(idOf('a@b.example', 'old'))
  })

  test('an account that is given twice counts once', () => {
    const { config, notices } = loadYaml(
      yaml('accounts: [{ email: a@b.example, password: p1 }, { email: A@b.example, password: p1 }]'),
    )
    expect(config?.providers[0]?.credentials).toHaveLength(1)
    expect(notices).toContain('provider od: account a***@b.example is given twice and counts once')
  })
})

test('the cache is off, and each of its settings reaches the configuration', () => {
  const off = { isEnabled: false, ttlMs: 300_000, maxBytes: 64 * 1024 ** 2, isShared: false, modelListMs: 3_600_000 }
  expect(configOf(loadYaml(minimal)).cache).toEqual(off)
  const written = loadYaml(
    `${minimal}\ncache: { enabled: true, ttl: 90s, max: 1MiB, shared: true, model_list_ttl: 2m }`,
  )
  expect(configOf(written).cache).toEqual({
    isEnabled: true,
    ttlMs: 90_000,
    maxBytes: 1024 ** 2,
    isShared: true,
    modelListMs: 120_000,
  })
  expect(written.effective).toMatchObject({
    cache: { enabled: true, ttl: '90s', max: '1MiB', shared: true, model_list_ttl: '2m' },
  })
  const wrong = loadYaml(`${minimal}\ncache: { ttl: 0s, max: 64, shard: true }`)
  expect(wrong.problems.map(({ place }) => place).sort()).toEqual([
    'any2api.yaml: cache.max',
    'any2api.yaml: cache.shard',
    'any2api.yaml: cache.ttl',
  ])
})

describe('limits of client keys', () => {
  test('a key has its own, or that of all', () => {
    const keys = '[a-client-key-of-mine, { key: other-client-of-mine, rpm: 5 }]'
    const { access } = configOf(loadYaml(`${minimal}\naccess: { default_limits: { rpm: 60 }, client_keys: ${keys} }`))
    expect(access.defaultLimits).toEqual({ ...noLimits, requestsPerMinute: 60 })
    expect(access.clientKeys.map(({ limits }) => limits.requestsPerMinute)).toEqual([null, 5])
  })

  test('every one of them can be set for a key and for all', () => {
    const all = 'rpm: 60, rps: 0.5, burst: 3, tpm: 10000, max_concurrent: 2, budget_usd: 1.5, budget_period: day'
    const text = `${minimal}\naccess: { default_limits: { ${all} }, client_keys: [{ key: other-client-of-mine, ${all} }] }`
    const { access } = configOf(loadYaml(text))
    expect(access.defaultLimits).toEqual({
      requestsPerMinute: 60,
      requestsPerSecond: 0.5,
      burst: 3,
      tokensPerMinute: 10_000,
      maxConcurrent: 2,
      budgetMicroUsd: 1_500_000,
      budgetPeriod: 'day',
    })
    expect(access.clientKeys[0]?.limits).toEqual(access.defaultLimits)
    expect(loadYaml(text).effective.access).toMatchObject({
      default_limits: { rpm: 60, rps: 0.5, burst: 3, tpm: 10_000, max_concurrent: 2, budget_usd: 1.5 },
      client_keys: [{ rpm: 60, budget_period: 'day' }],
    })
  })

  test('one that only shapes another is told to do nothing where that other is missing', () => {
    const shapes = 'default_limits: { burst: 3, budget_period: day }'
    const { notices } = loadYaml(`${minimal}\naccess: { ${shapes} }`)
    expect(notices).toContainEqual(expect.stringMatching(/access\.default_limits\.burst does nothing without rps$/))
    expect(notices).toContainEqual(expect.stringMatching(/budget_period does nothing without budget_usd$/))
    const key = '{ key: other-client-of-mine, rps: 2, budget_usd: 1 }'
    const used = loadYaml(`${minimal}\naccess: { ${shapes}, client_keys: [${key}] }`)
    expect(used.notices.join('\n')).not.toContain('does nothing')
  })
})

describe('problems', () => {
  const ondemand = (settings: string) => `providers: { a: { type: ondemand, ${settings} } }`
  const ofOtherType = (type: string, own: string) =>
    `is a setting of providers with type: ${type}; this one has type: ${own}`
  const provider = (settings: string) => `providers: { a: { base_url: "http://a/v1", ${settings} } }`
  const cases: readonly [string, string, string, string][] = [
    [
      'an unknown setting',
      'providers: { openai: { base_ulr: "http://a", base_url: "http://a" } }',
      'providers.openai.base_ulr',
      'unknown setting; did you mean base_url?',
    ],
    ['an unknown group', `${minimal}\nservr: {}`, 'servr', 'unknown setting; did you mean server?'],
    [
      'an unknown setting like no other',
      `${minimal}\nstore: { zzzzzzzzz: 1 }`,
      'store.zzzzzzzzz',
      'unknown setting; known here: retention, max_size, timezone, import_statistics',
    ],
    [
      'a setting of a later version',
      `${minimal}\naccess: { client_keys: [{ key: a-client-key-of-mine, tokens_per_day: 5 }] }`,
      'access.client_keys[0].tokens_per_day',
      'unknown setting; known here: name, key, models, rpm, rps, burst, tpm, max_concurrent, budget_usd, budget_period, stateful',
    ],
    [
      'a name that may be a secret',
      `${minimal}\naccess: { sk-abcdef: true }`,
      'access',
      'unknown setting; known here: admin_key, anonymous, public_models, default_limits, client_keys',
    ],
    [
      'a bare number as duration',
      provider('max_wait: 30'),
      'providers.a.max_wait',
      'must be a duration with its unit, such as 500ms, 45s, 5m, 1h or 90d',
    ],
    [
      'a duration of nothing',
      provider('timeouts: { idle: 0s }'),
      'providers.a.timeouts.idle',
      'must be a duration with its unit, such as 500ms, 45s, 5m, 1h or 90d',
    ],
    [
      'a bare number as size',
      `${minimal}\nserver: { max_body: 1000 }`,
      'server.max_body',
      'must be a size with its unit, such as 512KiB, 10MB or 64MiB',
    ],
    [
      'a port out of range',
      `${minimal}\nserver: { port: 70000 }`,
      'server.port',
      'must be a port number from 0 to 65535',
    ],
    [
      'a count that is none',
      provider('max_attempts: 0'),
      'providers.a.max_attempts',
      'must be a whole number, at least 1',
    ],
    ['a switch that is none', provider('http2: maybe'), 'providers.a.http2', 'must be true or false'],
    [
      'a word that is no choice',
      provider('rotation: random'),
      'providers.a.rotation',
      'must be one of round_robin, least_busy, sticky',
    ],
    [
      'a type of provider that is not there yet',
      provider('type: gemini'),
      'providers.a.type',
      'must be one of openai, ondemand, scira',
    ],
    [
      'a number as key',
      provider('keys: [123]'),
      'providers.a.keys[0]',
      'must be text (numbers and the like in quotes)',
    ],
    ['a text as list', provider('keys: sk-a'), 'providers.a.keys', 'must be a list of texts, such as ["a", "b"]'],
    [
      'a text as provider',
      'providers: { a: "http://a" }',
      'providers.a',
      'must be a provider such as { base_url: "https://api.openai.com/v1", keys_file: keys.txt }',
    ],
    ['a list as group', `${minimal}\nlog: [1]`, 'log', 'must be a group of settings: level, format, path, retention'],
    [
      'a bad name of a provider',
      'providers: { "a/b": { base_url: "http://a" } }',
      'providers',
      'a name must consist of letters, digits, ".", "_" and "-"',
    ],
    [
      'no address',
      'providers: { a: { keys: [k] } }',
      'providers.a.base_url',
      'is missing; write what stands before /chat/completions, such as https://api.openai.com/v1',
    ],
    [
      'an address that is none',
      'providers: { a: { base_url: "api.openai.com" } }',
      'providers.a.base_url',
      'must be an address that begins with http:// or https://',
    ],
    [
      'an address of another kind',
      'providers: { a: { base_url: "ftp://a" } }',
      'providers.a.base_url',
      'must be an address that begins with http:// or https://',
    ],
    [
      'a query in an address',
      'providers: { a: { base_url: "http://a/v1?x=1" } }',
      'providers.a.base_url',
      'must not have a query (what begins with "?")',
    ],
    [
      'a fragment in an address',
      'providers: { a: { base_url: "http://a/v1#x" } }',
      'providers.a.base_url',
      'must not have a fragment (what begins with "#")',
    ],
    [
      'a password in an address',
      'providers: { a: { base_url: "http://u:p@a/v1" } }',
      'providers.a.base_url',
      'must not hold a user name or password',
    ],
    [
      'a chat endpoint as base',
      'providers: { a: { base_url: "http://a/v1/chat/completions" } }',
      'providers.a.base_url',
      'leave out /chat/completions, or write the whole address as chat_url',
    ],
    [
      'a proxy without a scheme',
      provider('proxy: "127.0.0.1:1080"'),
      'providers.a.proxy',
      'must be an address that begins with http://, https://, socks5:// or socks5h://',
    ],
    [
      'a proxy of another kind',
      provider('proxy: "socks4://h:1"'),
      'providers.a.proxy',
      'must be an address that begins with http://, https://, socks5:// or socks5h://',
    ],
    [
      'a proxy that is no address',
      provider('proxy: "http://u:p@ss@h:x"'),
      'providers.a.proxy',
      'must be an address that begins with http://, https://, socks5:// or socks5h://; "@", ":", "/" and "%" in a user name or password are written as %40, %3A, %2F and %25',
    ],
    [
      'a proxy with a path',
      provider('proxy: "socks5://u:b@h:1/x"'),
      'providers.a.proxy',
      'must end after host and port; "/", "?" and "#" in a user name or password are written as %2F, %3F and %23',
    ],
    [
      'a proxy with a bare percent sign',
      provider('proxy: "socks5://u:100%@h:1"'),
      'providers.a.proxy',
      'has a "%" in its user name or password that begins no valid character; "%" itself is written as %25',
    ],
    [
      'a proxy with a password alone',
      provider('proxy: "socks5h://:p@h:1"'),
      'providers.a.proxy',
      'has a password, but no user name',
    ],
    [
      'a SOCKS proxy with a password too long for it',
      provider(
        'proxy: "socks5h://u:pppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppp@h:1"',
      ),
      'providers.a.proxy',
      'must have at most 255 bytes of user name and of password',
    ],
    [
      'HTTP/2 through a proxy',
      provider('http2: true, proxy: "http://h:1"'),
      'providers.a.http2',
      'is not possible through a proxy; leave one of them out',
    ],
    ['exceptions without a proxy', provider('no_proxy: [x]'), 'providers.a.no_proxy', 'means nothing without proxy'],
    [
      'an exception that is none',
      provider('proxy: "http://h:1", no_proxy: ["http://x"]'),
      'providers.a.no_proxy[0]',
      'must be a host such as example.com (with all below it), host:port, an address, a block such as 10.0.0.0/8, or "*"',
    ],
    [
      'a header the gateway sets',
      provider('headers: { Authorization: x }'),
      'providers.a.headers.Authorization',
      'is set by the gateway itself; keys belong in keys or keys_file',
    ],
    [
      'a header with a line break',
      provider('headers: { x-a: "a\\nb" }'),
      'providers.a.headers.x-a',
      'has characters that a header must not have',
    ],
    [
      'a breaker that opens longer than at most',
      provider('breaker: { open: 10m }'),
      'providers.a.breaker.max_open',
      'must not be shorter than open',
    ],
    [
      'a keys file that is not there',
      provider('keys_file: no.txt'),
      'providers.a.keys_file',
      'no.txt cannot be read: there is no such file',
    ],
    [
      'an empty list of keys',
      provider('keys: []'),
      'providers.a.keys',
      'gives no keys; leave out keys and keys_file for an upstream that asks for none',
    ],
    [
      'a key with an invisible character',
      provider('keys: ["ab\\u200bcd"]'),
      'providers.a.keys[0]',
      'a key has invisible or non-ASCII characters inside; type or copy it again',
    ],
    [
      'a key with a blank',
      provider('keys: ["ab cd"]'),
      'providers.a.keys[0]',
      'a key has a space or another blank inside',
    ],
    [
      'a placeholder as key',
      provider('keys: [sk-your-key]'),
      'providers.a.keys[0]',
      'a key is a published example or a placeholder; use a secret of your own',
    ],
    [
      'a target without provider',
      `${minimal}\nmodels: { m: gpt-4 }`,
      'models.m',
      'must be provider/model, such as openai/gpt-4o',
    ],
    [
      'a target at an unknown provider',
      `${minimal}\nmodels: { "m.1": { targets: [openai/a, opena/b] } }`,
      'models["m.1"].targets[1]',
      'there is no provider of this name; did you mean openai?',
    ],
    [
      'a model without target',
      `${minimal}\nmodels: { m: { price: { input: 1, output: 1 } } }`,
      'models.m',
      'needs a target, such as openai/gpt-4o',
    ],
    [
      'a model with both kinds of target',
      `${minimal}\nmodels: { m: { target: openai/a, targets: [openai/b] } }`,
      'models.m',
      'has both target and targets; write one of them',
    ],
    [
      'a model with no targets',
      `${minimal}\nmodels: { m: { targets: [] } }`,
      'models.m.targets',
      'must name at least one provider/model',
    ],
    [
      'an unknown default provider',
      `${minimal}\ndefault_provider: other`,
      'default_provider',
      'there is no provider of this name; known: openai',
    ],
    ['half a price', `${minimal}\nprices: { m: { input: 1 } }`, 'prices.m.output', 'is missing'],
    [
      'a negative price',
      `${minimal}\nprices: { m: { input: -1, output: 1 } }`,
      'prices.m.input',
      'must be a number, at least 0',
    ],
    [
      'a client without key',
      `${minimal}\naccess: { client_keys: [{ name: a }] }`,
      'access.client_keys[0].key',
      'is missing',
    ],
    [
      'two clients of one name',
      `${minimal}\naccess: { client_keys: [{ name: a, key: key-of-the-first-a }, { name: a, key: key-of-the-other-a }] }`,
      'access.client_keys[1].name',
      'another client key has the same name',
    ],
    [
      'one key for two clients',
      `${minimal}\naccess: { client_keys: [{ name: a, key: key-of-both-clients }, { name: b, key: key-of-both-clients }] }`,
      'access.client_keys[1]',
      'the same key is given twice',
    ],
    [
      'an admin key that is a client key',
      `${minimal}\naccess: { admin_key: key-of-both-of-them, client_keys: [key-of-both-of-them] }`,
      'access.admin_key',
      'must not be the same as a client key',
    ],
    [
      'an empty admin key',
      `${minimal}\naccess: { admin_key: "\${NONE:-}" }`,
      'access.admin_key',
      'must be text (numbers and the like in quotes) and not empty',
    ],
    [
      'an origin with a path',
      `${minimal}\nserver: { cors_origins: ["https://a.example/"] }`,
      'server.cors_origins[0]',
      'must be "*" or an origin such as https://app.example.com, without a path',
    ],
    [
      'a time zone that is none',
      `${minimal}\nstore: { timezone: Mars }`,
      'store.timezone',
      'must be the name of a time zone, such as UTC or Europe/Warsaw',
    ],
    [
      'a variable that is not set',
      `${minimal}\naccess: { admin_key: "\${NOPE}" }`,
      'access.admin_key',
      'the environment variable NOPE is not set',
    ],
    [
      `a \${…} that is no name`,
      `${minimal}\nserver: { host: "\${a b}" }`,
      'server.host',
      `has a \${…} that is no name of an environment variable; write $\${ for the characters themselves`,
    ],
    [
      'neither keys nor accounts',
      'providers: { a: { type: ondemand } }',
      'providers.a',
      'needs keys, keys_file or accounts',
    ],
    [
      'a setting of OnDemand elsewhere',
      provider('accounts: []'),
      'providers.a.accounts',
      `${ofOtherType('ondemand', 'openai')}, which is the default`,
    ],
    [
      'a setting of others at OnDemand',
      ondemand('keys: [k-1], base_url: "http://a"'),
      'providers.a.base_url',
      ofOtherType('openai', 'ondemand'),
    ],
    [
      'a misspelt setting of OnDemand',
      ondemand('keys: [k-1], chat_bse: "http://a"'),
      'providers.a.chat_bse',
      'unknown setting; did you mean chat_base?',
    ],
    [
      'a misspelt type',
      'providers: { a: { type: on_demand, accounts: [{ email: a@b.example, password: p }] } }',
      'providers.a.type',
      'must be one of openai, ondemand, scira',
    ],
    [
      'an account without a password',
      ondemand('accounts: [{ email: a@b.example }]'),
      'providers.a.accounts[0].password',
      'is missing',
    ],
    [
      'a password that is a number',
      ondemand('accounts: [{ email: a@b.example, password: 12 }]'),
      'providers.a.accounts[0].password',
      'must be text (numbers and the like in quotes) and not empty',
    ],
    [
      'an e-mail with a colon',
      ondemand('accounts: [{ email: "a:b@c.example", password: p }]'),
      'providers.a.accounts[0].email',
      'must be an e-mail address, such as a@example.com',
    ],
    [
      'an account with two passwords',
      ondemand('accounts: [{ email: a@b.example, password: p }, { email: a@b.example, password: q }]'),
      'providers.a.accounts[1]',
      'the same account is given with another password before',
    ],
    ['no accounts', ondemand('accounts: []'), 'providers.a.accounts', 'names no account'],
    [
      'an address of OnDemand that is none',
      ondemand('keys: [k-1], auth_base: x'),
      'providers.a.auth_base',
      'must be an address that begins with http:// or https://',
    ],
    [
      'a path that is none',
      ondemand('keys: [k-1], sign_in_path: signin'),
      'providers.a.sign_in_path',
      'must be a path such as /auth/user/signin',
    ],
    [
      'too many plugins',
      ondemand(`keys: [k-1], plugins: [${'p, '.repeat(21)}]`),
      'providers.a.plugins',
      'must be 20 at most',
    ],
    [
      'thinking that goes nowhere known',
      ondemand('keys: [k-1], reasoning: shown'),
      'providers.a.reasoning',
      'must be one of reasoning_content, hidden',
    ],
    [
      'no requests per minute',
      `${minimal}\naccess: { default_limits: { rpm: 0 } }`,
      'access.default_limits.rpm',
      'must be a whole number from 1 to 1000000',
    ],
    [
      'a rate below all sense',
      `${minimal}\naccess: { default_limits: { rps: 0 } }`,
      'access.default_limits.rps',
      'must be a number from 0.001 to 1000000',
    ],
    [
      'no budget',
      `${minimal}\naccess: { default_limits: { budget_usd: 0 } }`,
      'access.default_limits.budget_usd',
      'must be a number from 0.000001 to 1000000000',
    ],
    [
      'a period that is none',
      `${minimal}\naccess: { default_limits: { budget_period: week } }`,
      'access.default_limits.budget_period',
      'must be one of day, month',
    ],
    [
      'no provider',
      'server: { port: 1 }',
      'providers',
      'no provider is configured; the shortest any2api.yaml is: providers: { openai: { base_url: "https://api.openai.com/v1", keys_file: keys.txt } }',
    ],
  ]
  test.each(cases)('%s is refused with its place', (_, text, place, message) => {
    const { config, problems } = loadYaml(text)
    expect(problems).toContainEqual({ place: `any2api.yaml: ${place}`, message })
    expect(config).toBeNull()
  })

  test.each(cases.filter(([name]) => !/\$\{|variable|empty admin/.test(name)))(
    '%s is one problem, not several',
    (_, text) => {
      expect(loadYaml(text).problems).toHaveLength(1)
    },
  )

  const elsewhere: readonly [string, Written, string, string][] = [
    [
      'nothing at all',
      {},
      'any2api.yaml',
      'no provider is configured; the shortest any2api.yaml is: providers: { openai: { base_url: "https://api.openai.com/v1", keys_file: keys.txt } }',
    ],
    [
      'a bad variable',
      { files: { 'any2api.yaml': minimal }, environment: { PORT: 'http' } },
      'environment PORT',
      'must be a port number from 0 to 65535',
    ],
    [
      'a bad line of .env',
      { files: { 'any2api.yaml': minimal, '.env': 'PORT=1\nnonsense' } },
      '.env line 2',
      'is neither NAME=value nor a comment',
    ],
    [
      'a bad value in .env',
      { files: { 'any2api.yaml': minimal, '.env': 'PORT=x' } },
      '.env: PORT',
      'must be a port number from 0 to 65535',
    ],
    [
      'a forbidden .env',
      { files: { 'any2api.yaml': minimal, '.env': unreadable } },
      '.env',
      'cannot be read: permission denied',
    ],
    [
      'a bad flag',
      { files: { 'any2api.yaml': minimal }, flags: { port: '-1' } },
      '--port',
      'must be a port number from 0 to 65535',
    ],
    [
      'a bad log level',
      { files: { 'any2api.yaml': minimal }, environment: { LOG_LEVEL: 'loud' } },
      'environment LOG_LEVEL',
      'must be one of debug, info, warn, error',
    ],
    [
      'a named file that is not there',
      { environment: { ANY2API_CONFIG: 'no.yaml' } },
      'environment ANY2API_CONFIG',
      'no.yaml cannot be read: there is no such file',
    ],
    [
      'a named file that is not there, by flag',
      { flags: { config: 'no.yaml' } },
      '--config',
      'no.yaml cannot be read: there is no such file',
    ],
    [
      'a forbidden file',
      { files: { 'any2api.yaml': unreadable } },
      'any2api.yaml',
      'any2api.yaml cannot be read: permission denied',
    ],
    [
      'a file of another kind',
      { files: { 'a.ini': 'x' }, flags: { config: 'a.ini' } },
      'a.ini',
      'the name must end in one of .yaml, .yml, .json, .jsonc, .toml',
    ],
    [
      'a file that is a list',
      { files: { 'any2api.yaml': '- a' } },
      'any2api.yaml',
      'must be one group of settings (server, access, providers, …)',
    ],
    [
      'broken YAML',
      { files: { 'any2api.yaml': 'server:\n  port: 1\n  host: [sk-secret\nlog: {}' } },
      'any2api.yaml',
      'is not valid YAML; the mistake is near line 3',
    ],
    [
      'broken JSON',
      { files: { 'any2api.json': '{\n  "server": {},\n  "log": sk-secret\n}' } },
      'any2api.json',
      'is not valid JSON; the mistake is near line 3',
    ],
    [
      'unfinished JSON',
      { files: { 'any2api.json': '{\n  "server": {' } },
      'any2api.json',
      'is not valid JSON; the mistake is near line 2',
    ],
    [
      'broken TOML',
      { files: { 'any2api.toml': 'a = [1,\n2]\nb = = sk-secret' } },
      'any2api.toml',
      'is not valid TOML; the mistake is near line 3',
    ],
    [
      'a forbidden keys file',
      { files: { 'any2api.yaml': provider('keys_file: pool.txt'), 'pool.txt': unreadable } },
      'any2api.yaml: providers.a.keys_file',
      'pool.txt cannot be read: permission denied',
    ],
    [
      'an empty keys file',
      { files: { 'any2api.yaml': provider('keys_file: pool.txt'), 'pool.txt': '\n# none\n' } },
      'any2api.yaml: providers.a.keys_file',
      'gives no keys; leave out keys and keys_file for an upstream that asks for none',
    ],
    [
      'an invisible character in a keys file',
      { files: { 'any2api.yaml': provider('keys_file: pool.txt'), 'pool.txt': 'sk-good\nsk-b\u200bad' } },
      'pool.txt line 2',
      'the key has invisible or non-ASCII characters inside; type or copy it again',
    ],
    [
      'a published client key',
      { files: { 'any2api.yaml': minimal }, environment: { CLIENT_KEYS: 'testofli' } },
      'environment CLIENT_KEYS',
      'is a published example or a placeholder; use a secret of your own',
    ],
  ]
  test.each(elsewhere)('%s is refused with its place, once', (_, written, place, message) => {
    const { config, problems } = loadSettings(written)
    expect(problems).toEqual([{ place, message }])
    expect(config).toBeNull()
  })

  test.each([
    'testofli',
    'sk-2api-ondemand-access-token-2025',
    'your-client-key-1',
    'your-client-key-2',
    'your_api_key_here',
    'Your-Secret-Key',
    'sk-your-openai-key',
    'change-me',
    'changeme',
    'CHANGE_ME_PLEASE',
    'sk-xxx',
    'xxxxxxxx',
    'sk-...',
    '<your-key>',
  ])('the published secret %s is refused for clients, admin and upstreams', (secret) => {
    const message = 'is a published example or a placeholder; use a secret of your own'
    const { problems } = loadYaml(provider(`keys: ["${secret}"]`), { CLIENT_KEYS: secret, ADMIN_KEY: secret })
    expect(problems).toHaveLength(3)
    expect(problems).toContainEqual({ place: 'environment CLIENT_KEYS', message })
    expect(problems).toContainEqual({ place: 'environment ADMIN_KEY', message })
    expect(problems).toContainEqual({ place: 'any2api.yaml: providers.a.keys[0]', message: `a key ${message}` })
  })

  test('a short client key is accepted with a warning, so that those of other programs keep working', () => {
    const { config, notices } = loadYaml(minimal, { CLIENT_KEYS: 'abc' })
    expect(config).not.toBeNull()
    expect(notices).toEqual(['client key client-1 is shorter than 16 characters and can be guessed; use a longer one'])
  })

  test('all problems are told at once', () => {
    const text = `
server: { port: x, max_body: 1 }
nonsense: 1
providers:
  a: { base_url: nope, keys: [1], rotation: no, max_wait: 5 }
  b: { keys_file: none.txt }
models: { m: c/x, n: 5 }
access: { client_keys: [{ name: x }, { key: "a b" }] }`
    const { problems } = loadYaml(text, { LOG_LEVEL: 'loud' })
    expect(problems.map(({ place }) => place.replace('any2api.yaml: ', '')).sort()).toEqual([
      'access.client_keys[0].key',
      'environment LOG_LEVEL',
      'models.m',
      'models.n',
      'nonsense',
      'providers.a.base_url',
      'providers.a.keys[0]',
      'providers.a.max_wait',
      'providers.a.rotation',
      'providers.b.base_url',
      'providers.b.keys_file',
      'server.max_body',
      'server.port',
    ])
  })

  test('a keys file of another kind gives a bounded number of problems', () => {
    const files = {
      'any2api.yaml': provider('keys_file: p'),
      p: Array.from({ length: 500 }, (_, index) => `line ${index}`).join('\n'),
    }
    expect(loadSettings({ files }).problems).toHaveLength(11)
  })

  test('a value that contains itself is refused', () => {
    expect(loadYaml('server: &a { host: *a }').problems.length).toBeGreaterThan(0)
    expect(loadYaml('server: &a [*a]').problems.length).toBeGreaterThan(0)
  })

  test.each([
    '__proto__: { polluted: 1 }',
    'providers: { __proto__: { polluted: 1 } }',
    'models: { __proto__: { polluted: 1 } }',
  ])('names of the language are names like others: %s', (text) => {
    expect(loadYaml(text).config).toBeNull()
    expect(Reflect.get({}, 'polluted')).toBeUndefined()
  })
})

describe('what is shown', () => {
  test('no secret is in what is shown, told or logged', () => {
    const secrets = {
      key: 'sk-secret-upstream-0001',
      listed: 'sk-secret-upstream-0002',
      filed: 'sk-secret-upstream-0003',
      client: 'secret-client-key-0004',
      admin: 'secret-admin-key-00005',
      header: 'secret-header-value-06',
      proxy: 'secretproxypassword07',
      query: 'secretquery08',
      short: 'secret09',
      misplaced: 'secretmisplaced10',
      environment: 'secret-environment-11',
      asName: 'sk-secretname12',
      asLine: 'secret line 13',
      broken: 'secret\u200bbroken14',
    }
    const text = `
access:
  admin_key: "${secrets.admin}"
  client_keys: [ "${secrets.client}", { name: bob, key: "${secrets.short}" }, { ${secrets.asName}: x, key: "${secrets.broken}" } ]
  ${secrets.asName}: 1
providers:
  a:
    base_url: "http://user:${secrets.misplaced}@a"
    chat_url: "http://a/x?key=${secrets.query}"
    keys: [ "${secrets.key}", "${secrets.listed}", "${secrets.listed}", { ${secrets.asName}: 1 } ]
    keys_file: pool.txt
    headers: { x-api: "${secrets.header}", authorization: "${secrets.header}" }
    proxy: "http://u:${secrets.proxy}@proxy:1"
    rotation: ${secrets.misplaced}
    max_wait: ${secrets.misplaced}
  b: { base_url: "http://b", keys_file: pool.txt, proxy: "socks5://u:${secrets.proxy}@proxy:1/x" }
  e: { base_url: "http://b", keys_file: pool.txt, proxy: "socks5h://${secrets.proxy}:%@proxy:1" }
  f: { base_url: "http://b", keys_file: pool.txt, proxy: "u:${secrets.proxy}@proxy:1" }
  c: { base_url: "${secrets.misplaced}", keys: ["${secrets.broken}"] }
  d: { base_url: "http://d", proxy: "http://u:${secrets.proxy}@proxy:1", headers: { x-api: "${secrets.header}" }, chat_url: "http://a/x?key=${secrets.query}", keys: ["${secrets.key}", "${secrets.short}"] }
models: { m: "${secrets.misplaced}" }`
    const files = {
      'any2api.yaml': text,
      'pool.txt': `${secrets.filed}\n${secrets.asLine}`,
      '.env': `secret ${secrets.asLine}`,
    }
    const bad = loadSettings({
      files,
      environment: { PORT: secrets.misplaced, CLIENT_KEYS: `${secrets.environment},testofli` },
    })
    const good = loadSettings({
      files: {
        'any2api.yaml': `
access: { admin_key: "${secrets.admin}", client_keys: ["${secrets.client}", { name: bob, key: "${secrets.short}" }] }
providers: { d: { base_url: "http://d", proxy: "http://u:${secrets.proxy}@proxy:1", headers: { x-api: "${secrets.header}" }, chat_url: "http://a/x?key=${secrets.query}", keys: ["${secrets.key}", "${secrets.short}"], keys_file: pool.txt } }`,
        'pool.txt': secrets.filed,
      },
      environment: { CLIENT_KEYS: secrets.environment },
    })
    expect(good.problems).toEqual([])
    expect(bad.problems.length).toBeGreaterThan(10)
    for (const { effective, problems, notices, config } of [bad, good]) {
      const shown = JSON.stringify({
        effective,
        problems,
        notices,
        config: { ...config, providers: config?.providers.map(({ credentials }) => credentials) },
      })
      for (const secret of Object.values(secrets)) expect(shown).not.toContain(secret)
      expect(shown).not.toContain('testofli')
    }
    expect(JSON.stringify(good.effective)).toContain('…0001')
  })

  test('a proxy is taken as it is and shown without its login', () => {
    const { config, effective } = loadYaml(
      ['http', 'https', 'socks5', 'socks5h', 'SOCKS5']
        .map((kind) => `  ${kind}: { base_url: "http://x", keys: [k], proxy: "${kind}://us%40er:p%3Aw@[::1]:1080" }\n`)
        .reduce((text, line) => text + line, 'providers:\n'),
      { NO_PROXY: 'localhost, 10.0.0.0/8 .intern,http://nonsense', no_proxy: 'other' },
    )
    const bypass = ['localhost', '10.0.0.0/8', '.intern']
    expect(config?.providers.map(({ proxy }) => proxy)).toEqual(
      ['http', 'https', 'socks5', 'socks5h', 'SOCKS5'].map((kind) => ({
        url: `${kind}://us%40er:p%3Aw@[::1]:1080`,
        bypass,
      })),
    )
    expect(effective.providers).toMatchObject({
      socks5h: { proxy: 'socks5h://***@[::1]:1080', no_proxy: bypass },
      https: { proxy: 'https://***@[::1]:1080', no_proxy: bypass },
    })
  })

  test("a provider's own exceptions from its proxy win over those of the environment", () => {
    const yaml = (own: string) => `providers: { a: { base_url: "http://x", keys: [k], proxy: "http://h:1"${own} } }`
    const bypassOf = (own: string, environment: Readonly<Record<string, string>>) =>
      configOf(loadYaml(yaml(own), environment)).providers[0]?.proxy?.bypass
    expect(bypassOf('', { no_proxy: 'a' })).toEqual(['a'])
    expect(bypassOf(', no_proxy: [b, "c:1"]', { NO_PROXY: 'a' })).toEqual(['b', 'c:1'])
    expect(bypassOf(', no_proxy: []', { NO_PROXY: 'a' })).toEqual([])
  })

  test('no variable gives a provider a proxy', () => {
    const environment = { HTTP_PROXY: 'http://h:1', HTTPS_PROXY: 'http://h:1', ALL_PROXY: 'socks5://h:1' }
    expect(configOf(loadYaml(minimal, environment)).providers[0]?.proxy).toBeNull()
  })

  test('the effective settings are those of the file, with readable units', () => {
    const { effective } = loadYaml(
      `${minimal}\nserver: { max_body: 1536KiB, keep_alive: 1500ms, shutdown_grace: 0s }\nmodels: { m: openai/x }`,
    )
    expect(effective).toMatchObject({
      server: { max_body: '1536KiB', keep_alive: '1500ms', shutdown_grace: '0ms', port: 7860 },
      access: { admin_key: 'generated', client_keys: [] },
      providers: {
        openai: {
          base_url: 'https://api.openai.com/v1',
          credentials: 1,
          timeouts: { first_byte: '1m', answer: '10m' },
        },
      },
      models: { m: { targets: ['openai/x'], price: null } },
      default_provider: 'openai',
      store: { directory: '/app/data', retention: '90d' },
    })
  })
})
