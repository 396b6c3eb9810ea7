import { describe, expect, test } from 'bun:test'
import { hashSecret } from '../../src/config/credential.ts'
import type { LoadResult } from '../../src/config/load.ts'
import type { Config, OndemandProviderConfig } from '../../src/domain.ts'
import { configOf, loadSettings, minimal, unreadable, type Written } from './load-settings.ts'

/** From the README of OnDemand-API-Proxy, its comment included; the token is one that nobody published. */
const readmeFile = `{
  "accounts": [
    {
      "email": "your_ondemand_email_1@example.com",
      "password": "your_ondemand_password_1"
    },
    {
      "email": "your_ondemand_email_2@example.com",
      "password": "your_ondemand_password_2"
    }
  ],
  "api_access_token": "a-proxy-token-of-mine",
  "model_prices": {
    "gpt-3.5-turbo": {"input": 0.25, "output": 0.75},
    "gpt-4o": {"input": 1.25, "output": 5.00},
    "claude-3.5-sonnet": {"input": 1.50, "output": 7.50}
    // more models and their prices
  },
  "default_model_price": {"input": 1.00, "output": 3.00},
  "rate_limit_per_minute": 60,
  "account_cooldown_seconds": 300,
  "ondemand_session_timeout_minutes": 30,
  "session_timeout_minutes": 3600,
  "max_retries": 5,
  "retry_delay": 3,
  "request_timeout": 45,
  "stream_timeout": 180,
  "debug_mode": false,
  "FLASK_DEBUG": false,
  "stats_file_path": "stats_data.json",
  "stats_backup_path": "stats_data_backup.json",
  "stats_save_interval": 300,
  "default_endpoint_id": "predefined-claude-4-sonnet"
}`

const oneAccount = '{"accounts": [{"email": "user1@example.com", "password": "pw1"}]}'
const byKey = { ONDEMAND_APIKEYS: 'key1,key2,key3', PRIVATE_KEY: 'a-private-key-of-mine' }

function ondemandOf(config: Config): OndemandProviderConfig {
  const found = config.providers.find(({ name }) => name === 'ondemand')
  if (found?.type !== 'ondemand') throw new Error('there is no such provider')
  return found
}

function secretsOf(config: Config): readonly string[] {
  return ondemandOf(config).credentials.map(({ reveal }) => reveal())
}

function noEffect(result: LoadResult, place: string): readonly string[] {
  expect(result.problems).toEqual([])
  return result.notices.filter((notice) => notice.startsWith(`${place} has no effect here: `))
}

type Meaning = (config: Config) => unknown

describe('OnDemand2API', () => {
  test('its README is all that is needed', () => {
    const config = configOf(loadSettings({ environment: byKey }))
    expect(config.server.port).toBe(7860)
    expect(config.defaultProvider).toBe('ondemand')
    expect(config.access).toMatchObject({ areModelsPublic: false, defaultLimits: { requestsPerMinute: null } })
    expect(config.access.clientKeys.map(({ hash }) => hash)).toEqual([hashSecret('a-private-key-of-mine')])
    expect(secretsOf(config)).toEqual(['key1', 'key2', 'key3'])
    expect(ondemandOf(config)).toMatchObject({
      chatBase: 'https://api.on-demand.io/chat/v1',
      defaultEndpointId: null,
      blacklist: { cooldownMs: 600_000 },
      timeouts: { firstByteMs: 60_000, idleMs: 90_000 },
    })
  })

  const settings: readonly [string, string, Meaning, unknown][] = [
    [
      'PRIVATE_KEY',
      'another-private-key',
      (config) => config.access.clientKeys.map(({ hash }) => hash),
      [hashSecret('another-private-key')],
    ],
    ['ONDEMAND_APIKEYS', ' key1, key2 ,,key3,', secretsOf, ['key1', 'key2', 'key3']],
    ['PORT', '8080', (config) => config.server.port, 8080],
    [
      'ONDEMAND_API_BASE',
      'https://other.example/chat/v1/',
      (config) => ondemandOf(config).chatBase,
      'https://other.example/chat/v1',
    ],
  ]
  test.each(settings)('%s=%s keeps its meaning', (name, value, meaning, expected) => {
    expect(meaning(configOf(loadSettings({ environment: { ...byKey, [name]: value } })))).toEqual(expected)
  })

  test.each(['debug', 'release', 'test'])('GIN_MODE=%s is mentioned in one line', (mode) => {
    const result = loadSettings({ environment: { ...byKey, GIN_MODE: mode } })
    expect(noEffect(result, 'environment GIN_MODE')).toHaveLength(1)
  })

  const bad: readonly [string, string, string][] = [
    ['PRIVATE_KEY', 'testofli', 'is a published example or a placeholder; use a secret of your own'],
    ['PRIVATE_KEY', 'your_private_key_here', 'is a published example or a placeholder; use a secret of your own'],
    ['ONDEMAND_APIKEYS', ' , ', 'gives no keys; leave out keys and keys_file where there are only accounts'],
    ['ONDEMAND_API_BASE', 'api.on-demand.io', 'must be an address that begins with http:// or https://'],
  ]
  test.each(bad)('%s=%s is refused', (name, value, message) => {
    const { problems } = loadSettings({ environment: { ...byKey, [name]: value } })
    expect(problems).toEqual([{ place: `environment ${name}`, message }])
  })
})

describe('OnDemand-API-Proxy', () => {
  const found: readonly [string, Written][] = [
    ['config.json', { files: { 'config.json': readmeFile } }],
    [
      'APP_CONFIG_PATH',
      { files: { '/etc/proxy.json': readmeFile }, environment: { APP_CONFIG_PATH: '/etc/proxy.json' } },
    ],
    ['APP_CONFIG_PATH in .env', { files: { 'sub/a.cfg': readmeFile, '.env': 'APP_CONFIG_PATH=sub/a.cfg' } }],
  ]
  test.each(found)('is recognised by %s and has its defaults', (_, written) => {
    const config = configOf(loadSettings(written))
    expect(config.server.port).toBe(7860)
    expect(config.defaultProvider).toBe('ondemand')
    expect(config.access).toMatchObject({ areModelsPublic: true, defaultLimits: { requestsPerMinute: 60 } })
    expect(config.access.clientKeys.map(({ hash }) => hash)).toEqual([hashSecret('a-proxy-token-of-mine')])
    expect(secretsOf(config)).toEqual(['your_ondemand_password_1', 'your_ondemand_password_2'])
    expect(ondemandOf(config)).toMatchObject(readmeMeaning)
    expect(config.store.importFile).toBe('/app/stats_data.json')
  })

  const readmeMeaning = {
    clientBase: 'https://api.on-demand.io/chat/v1/client',
    authBase: 'https://gateway.on-demand.io/v1',
    defaultEndpointId: 'predefined-claude-4-sonnet',
    rateLimitRestMs: 300_000,
    retries: { max: 5, baseMs: 3000 },
    maxAttempts: 6,
    requestTimeoutMs: 45_000,
    timeouts: { firstByteMs: 180_000, answerMs: 180_000, idleMs: 180_000 },
    session: { isReused: false, idleMs: 1_800_000, isDeleted: true },
  }

  test('ONDEMAND_ACCOUNTS alone has the defaults of its README', () => {
    const config = configOf(loadSettings({ environment: { ONDEMAND_ACCOUNTS: oneAccount } }))
    expect(config.access).toMatchObject({
      areModelsPublic: true,
      defaultLimits: { requestsPerMinute: 60 },
      clientKeys: [],
    })
    expect(ondemandOf(config)).toMatchObject(readmeMeaning)
    expect(config.store.importFile).toBe('/app/stats_data.json')
  })

  const inFile: readonly [string, unknown, Meaning, unknown][] = [
    ['accounts', [{ email: 'a@b.example', password: ' p w ', note: 1 }], secretsOf, [' p w ']],
    [
      'api_access_token',
      'another-proxy-token',
      (config) => config.access.clientKeys.map(({ hash }) => hash),
      [hashSecret('another-proxy-token')],
    ],
    [
      'model_prices',
      { x: { input: 2, output: 4 } },
      (config) => config.prices,
      { x: { input: 2, output: 4, cachedInput: null } },
    ],
    [
      'default_model_price',
      { input: 2, output: 6 },
      (config) => config.defaultModelPrice,
      { input: 2, output: 6, cachedInput: null },
    ],
    ['rate_limit_per_minute', 90, (config) => config.access.defaultLimits.requestsPerMinute, 90],
    ['account_cooldown_seconds', 0, (config) => ondemandOf(config).rateLimitRestMs, 0],
    ['account_cooldown_seconds', 120, (config) => ondemandOf(config).rateLimitRestMs, 120_000],
    ['ondemand_session_timeout_minutes', 5, (config) => ondemandOf(config).session.idleMs, 300_000],
    ['max_retries', 2, (config) => [ondemandOf(config).retries.max, ondemandOf(config).maxAttempts], [2, 3]],
    ['max_account_attempts', 3, (config) => ondemandOf(config).maxAttempts, 3],
    ['retry_delay', 0.5, (config) => ondemandOf(config).retries.baseMs, 500],
    ['request_timeout', 20, (config) => ondemandOf(config).requestTimeoutMs, 20_000],
    [
      'stream_timeout',
      300,
      (config) => [ondemandOf(config).timeouts, ondemandOf(config).maxWaitMs],
      [{ firstByteMs: 300_000, answerMs: 300_000, idleMs: 300_000 }, 600_000],
    ],
    ['debug_mode', true, (config) => config.log.level, 'debug'],
    ['debug_mode', false, (config) => config.log.level, 'info'],
    ['stats_file_path', '/var/stats.json', (config) => config.store.importFile, '/var/stats.json'],
    [
      'default_endpoint_id',
      'predefined-glm-5.3',
      (config) => ondemandOf(config).defaultEndpointId,
      'predefined-glm-5.3',
    ],
    ['model_mappings', { mine: 'predefined-x' }, (config) => ondemandOf(config).models, { mine: 'predefined-x' }],
  ]
  test.each(inFile)('%s: %j of its file keeps its meaning', (name, value, meaning, expected) => {
    const text = JSON.stringify({ ...JSON.parse(oneAccount), [name]: value })
    expect(meaning(configOf(loadSettings({ files: { 'config.json': text } })))).toEqual(expected)
  })

  const inEnvironment: readonly [string, string, Meaning, unknown][] = [
    [
      'ONDEMAND_ACCOUNTS',
      '{"accounts": [{"email": "user1@example.com", "password": "pw1"}, {"email": "user2@example.com", "password": "pw2"}]}',
      secretsOf,
      ['pw1', 'pw2'],
    ],
    ['ONDEMAND_ACCOUNTS', `'${oneAccount}'`, secretsOf, ['pw1']],
    ['ONDEMAND_ACCOUNTS', '[{"email": "user1@example.com", "password": "pw1"}]', secretsOf, ['pw1']],
    [
      'API_ACCESS_TOKEN',
      'token-of-the-environment',
      (config) => config.access.clientKeys.map(({ hash }) => hash),
      [hashSecret('token-of-the-environment')],
    ],
    ['PORT', '5000', (config) => config.server.port, 5000],
    ['LOG_PATH', '/tmp/2api.log', (config) => config.log.path, '/tmp/2api.log'],
    ['LOG_LEVEL', 'WARNING', (config) => config.log.level, 'warn'],
    ['LOG_LEVEL', 'CRITICAL', (config) => config.log.level, 'error'],
    ['LOG_FORMAT', '%(asctime)s - %(name)s - %(levelname)s - %(message)s', (config) => config.log.format, 'text'],
    ['ONDEMAND_SESSION_TIMEOUT_MINUTES', '7', (config) => ondemandOf(config).session.idleMs, 420_000],
    ['MAX_RETRIES', '0', (config) => [ondemandOf(config).retries.max, ondemandOf(config).maxAttempts], [0, 1]],
    ['RETRY_DELAY', '0', (config) => ondemandOf(config).retries.baseMs, 0],
    ['REQUEST_TIMEOUT', '30', (config) => ondemandOf(config).requestTimeoutMs, 30_000],
    [
      'STREAM_TIMEOUT',
      '60',
      (config) => [
        ondemandOf(config).timeouts.firstByteMs,
        ondemandOf(config).timeouts.idleMs,
        ondemandOf(config).maxWaitMs,
      ],
      [60_000, 60_000, 120_000],
    ],
    ['RATE_LIMIT', '30', (config) => config.access.defaultLimits.requestsPerMinute, 30],
    ['DEBUG_MODE', 'True', (config) => config.log.level, 'debug'],
    [
      'ONDEMAND_CLIENT_BASE',
      'https://c.example/client/',
      (config) => ondemandOf(config).clientBase,
      'https://c.example/client',
    ],
    ['ONDEMAND_AUTH_BASE', 'https://a.example/v1', (config) => ondemandOf(config).authBase, 'https://a.example/v1'],
  ]
  test.each(inEnvironment)('%s=%s keeps its meaning and wins over the file', (name, value, meaning, expected) => {
    const files = { 'config.json': readmeFile }
    expect(meaning(configOf(loadSettings({ files, environment: { [name]: value } })))).toEqual(expected)
  })

  test.each([
    'session_timeout_minutes',
    'FLASK_DEBUG',
    'stats_backup_path',
    'stats_save_interval',
    'max_history_items',
  ])('%s of its file is mentioned in one line', (name) => {
    const text = JSON.stringify({ ...JSON.parse(oneAccount), [name]: 1 })
    expect(noEffect(loadSettings({ files: { 'config.json': text } }), `config.json: ${name}`)).toHaveLength(1)
  })

  test.each(['SESSION_TIMEOUT_MINUTES', 'FLASK_DEBUG'])(
    '%s is mentioned in one line, whatever the file says',
    (name) => {
      const result = loadSettings({ files: { 'config.json': readmeFile }, environment: { [name]: 'true' } })
      expect(noEffect(result, `environment ${name}`)).toHaveLength(1)
      const mentions = result.notices.filter((notice) => new RegExp(`\\b${name}\\b`, 'i').test(notice))
      expect(mentions).toHaveLength(1)
    },
  )

  test('accounts of the environment and all else of a config.json without any', () => {
    const files = { 'config.json': '{ "api_access_token": "a-proxy-token-of-mine", "rate_limit_per_minute": 5 }' }
    const config = configOf(loadSettings({ files, environment: { ONDEMAND_ACCOUNTS: oneAccount } }))
    expect(secretsOf(config)).toEqual(['pw1'])
    expect(config.access).toMatchObject({ defaultLimits: { requestsPerMinute: 5 }, clientKeys: [{ name: 'client-1' }] })
  })

  const bad: readonly [string, Written, string, string][] = [
    [
      'the published token',
      { files: { 'config.json': readmeFile.replace('a-proxy-token-of-mine', 'sk-2api-ondemand-access-token-2025') } },
      'config.json: api_access_token',
      'is a published example or a placeholder; use a secret of your own',
    ],
    [
      'the placeholder of its README',
      { files: { 'config.json': readmeFile.replace('a-proxy-token-of-mine', 'YOUR_SECRET_PROXY_ACCESS_TOKEN') } },
      'config.json: api_access_token',
      'is a published example or a placeholder; use a secret of your own',
    ],
    [
      'accounts that are no JSON',
      { environment: { ONDEMAND_ACCOUNTS: '{"accounts": [secret' } },
      'environment ONDEMAND_ACCOUNTS',
      'must be a list of accounts such as [{ email: a@example.com, password: secret }]',
    ],
    [
      'an account without a password',
      { files: { 'config.json': '{ "accounts": [{ "email": "a@b.example" }] }' } },
      'config.json: accounts[0].password',
      'is missing',
    ],
    [
      'an address that is none',
      { files: { 'config.json': '{ "accounts": [{ "email": "a:b", "password": "p" }] }' } },
      'config.json: accounts[0].email',
      'must be an e-mail address, such as a@example.com',
    ],
    ['no account', { files: { 'config.json': '{ "accounts": [] }' } }, 'config.json: accounts', 'names no account'],
    [
      'a file without accounts',
      { files: { 'x.json': '{}' }, environment: { APP_CONFIG_PATH: 'x.json' } },
      'providers.ondemand',
      'needs keys, keys_file or accounts',
    ],
    [
      'a named file that is not there',
      { environment: { ONDEMAND_ACCOUNTS: oneAccount, APP_CONFIG_PATH: 'no.json' } },
      'environment APP_CONFIG_PATH',
      'no.json cannot be read: there is no such file',
    ],
    [
      'a forbidden file',
      { files: { 'x.json': unreadable }, environment: { ONDEMAND_ACCOUNTS: oneAccount, APP_CONFIG_PATH: 'x.json' } },
      'environment APP_CONFIG_PATH',
      'x.json cannot be read: permission denied',
    ],
    [
      'a mistake in its JSON',
      { files: { 'config.json': '{ "accounts": [ }' } },
      'config.json',
      'is not valid JSON; the mistake is near line 1',
    ],
    [
      'a rate that is none',
      { environment: { ONDEMAND_ACCOUNTS: oneAccount, RATE_LIMIT: '0' } },
      'environment RATE_LIMIT',
      'must be a whole number from 1 to 1000000',
    ],
    [
      'a timeout that is none',
      { environment: { ONDEMAND_ACCOUNTS: oneAccount, REQUEST_TIMEOUT: 'soon' } },
      'environment REQUEST_TIMEOUT',
      'must be a duration with its unit, such as 500ms, 45s, 5m, 1h or 90d',
    ],
  ]
  test.each(bad)('%s is refused with its place', (_, written, place, message) => {
    expect(loadSettings(written).problems).toContainEqual({ place: expect.stringContaining(place), message })
  })

  test('a password is in nothing that is shown, told or logged', () => {
    const accounts =
      '{"accounts": [{"email": "alice@example.com", "password": "secret-pass-1"}, {"email": "alice@example.com", "password": "secret-pass-2"}, "secret-pass-3"]}'
    for (const text of [
      accounts,
      accounts.slice(0, -1),
      `[{"email": "alice@example.com", "password": "secret-pass-1"}]`,
    ]) {
      const { config, effective, problems, notices } = loadSettings({ environment: { ONDEMAND_ACCOUNTS: text } })
      expect(JSON.stringify({ config, effective, problems, notices })).not.toContain('secret-pass')
      expect(JSON.stringify({ effective, problems, notices })).not.toContain('alice@')
    }
  })
})

describe('together', () => {
  test('keys and accounts stand in one pool, and both clients are let in', () => {
    const config = configOf(loadSettings({ files: { 'config.json': readmeFile }, environment: byKey }))
    expect(ondemandOf(config).credentials.map(({ kind, user }) => [kind, user])).toEqual([
      ['key', null],
      ['key', null],
      ['key', null],
      ['account', 'your_ondemand_email_1@example.com'],
      ['account', 'your_ondemand_email_2@example.com'],
    ])
    expect(config.providers).toHaveLength(1)
    expect(config.access.clientKeys).toHaveLength(2)
  })

  test('beside a file of our own they open nothing and limit nobody', () => {
    const files = { 'any2api.yaml': `default_provider: openai\n${minimal}`, 'config.json': readmeFile }
    const config = configOf(loadSettings({ files, environment: { ONDEMAND_ACCOUNTS: oneAccount } }))
    expect(config.access).toMatchObject({
      areModelsPublic: false,
      defaultLimits: { requestsPerMinute: null },
      clientKeys: [],
    })
    expect(config.providers.map(({ name }) => name).sort()).toEqual(['ondemand', 'openai'])
    expect(secretsOf(config)).toEqual(['pw1'])
  })

  test('a file of our own has the last word on what they only have by default', () => {
    const own = 'providers: { ondemand: { type: ondemand, retries: { max: 1 }, reasoning: hidden } }'
    const config = configOf(
      loadSettings({ files: { 'any2api.yaml': own }, environment: { ONDEMAND_ACCOUNTS: oneAccount } }),
    )
    expect(ondemandOf(config)).toMatchObject({ retries: { max: 1, baseMs: 3000 }, reasoning: 'hidden' })
  })

  test('REQUEST_TIMEOUT has a unit where another program reads it in milliseconds', () => {
    const environment = { ONDEMAND_ACCOUNTS: oneAccount, OPENAI_BASE_URL: 'http://a', KEYS_FILE: 'k.txt' }
    const files = { 'k.txt': 'sk-a' }
    const bare = loadSettings({ files, environment: { ...environment, REQUEST_TIMEOUT: '30' } })
    expect(bare.problems).toEqual([
      {
        place: 'environment REQUEST_TIMEOUT',
        message: expect.stringMatching(
          /^write the number with a unit, such as 30s: without one it means s to OnDemand-API-Proxy, ms to gpt-load/,
        ),
      },
    ])
    const clear = configOf(loadSettings({ files, environment: { ...environment, REQUEST_TIMEOUT: '30s' } }))
    expect(ondemandOf(clear).requestTimeoutMs).toBe(30_000)
    expect(clear.providers.find(({ name }) => name === 'multi_key')?.timeouts.firstByteMs).toBe(30_000)
  })
})
