/** Every setting that the programs we replace document: what its documents show, another value, and what each does here. */
import { createAccount, createCredential, maskSecret } from '../../src/config/credential.ts'
import type { Written } from './load-settings.ts'

export interface ProgramSettings {
  /** As in the tables of `src/config/`. */
  readonly title: string
  /** What it needs besides the setting under test. */
  readonly base: Required<Pick<Written, 'files' | 'environment'>>
  readonly variables: Readonly<Record<string, readonly Meaning[]>>
  /** By JSON pointer into its configuration file. */
  readonly members: Readonly<Record<string, readonly Meaning[]>>
  /** Its configuration file in `base.files`. */
  readonly file: string | null
  /** Its sample files as they are published, in an empty folder. */
  readonly sample: Sample
}

export interface Sample {
  readonly files: Readonly<Record<string, string>>
  /** Places of what must be changed before a start: published secrets, and nothing else. */
  readonly refused: readonly string[]
  /** Names that one line each says to have no effect. */
  readonly idle: readonly string[]
}

/** A value as it is written, what it does, and what else stands in the environment. */
export type Meaning = readonly [written: unknown, does: Effect, beside?: Readonly<Record<string, string>>]

/** Effective settings by their JSON pointers (undefined: there is none), one line in the log, or a refusal. */
export type Effect = Readonly<Record<string, unknown>> | 'no effect' | { readonly refused: string }

const published = { refused: 'is a published example or a placeholder; use a secret of your own' }
const publishedKey = { refused: 'a key is a published example or a placeholder; use a secret of your own' }
const port = { '/server/port': 8123 }

function client(secret: string): Effect {
  return { '/access/client_keys/0/key': maskSecret(secret) }
}

function labels(type: string, ...secrets: readonly string[]): readonly string[] {
  return secrets.map((secret) => createCredential(type, secret).label)
}

function accounts(...emails: readonly string[]): Effect {
  return {
    '/providers/ondemand/accounts': emails.map((email, index) => {
      const { id, label } = createAccount('ondemand', email, 'p')
      const masks = emails.map((each) => createAccount('ondemand', each, 'p').label)
      return masks.some((each, other) => other !== index && each === label) ? `${label} ${id.slice(0, 8)}` : label
    }),
  }
}

function ondemand(settings: Readonly<Record<string, unknown>>): Effect {
  return under('/providers/ondemand', settings)
}

function multiKey(settings: Readonly<Record<string, unknown>>): Effect {
  return under('/providers/multi_key', settings)
}

function scira(settings: Readonly<Record<string, unknown>>): Effect {
  return under('/providers/scira', settings)
}

/** scira2api in front of a service that speaks OpenAI's API. */
function openAi(settings: Readonly<Record<string, unknown>>): Effect {
  return under('/providers/scira2api', settings)
}

function limits(settings: Readonly<Record<string, unknown>>): Effect {
  return under('/access/default_limits', settings)
}

function under(pointer: string, settings: Readonly<Record<string, unknown>>): Effect {
  return Object.fromEntries(Object.entries(settings).map(([name, value]) => [`${pointer}/${name}`, value]))
}

function route(...targets: readonly string[]): unknown {
  return { targets, price: null }
}

const oneAccount = [{ email: 'user1@example.com', password: 'pw1' }]

export const programs: readonly ProgramSettings[] = [
  {
    // https://github.com/caidaoli/OnDemand2API at 06d5232 (2025-07-20): README.md, config.example.env
    title: 'OnDemand2API',
    base: { files: {}, environment: { ONDEMAND_APIKEYS: 'key1' } },
    variables: {
      PRIVATE_KEY: [
        ['your_private_key_here', published],
        ['testofli', published],
        ['a-private-key-of-mine', client('a-private-key-of-mine')],
      ],
      ONDEMAND_APIKEYS: [
        ['key1,key2,key3', ondemand({ keys: labels('ondemand', 'key1', 'key2', 'key3'), type: 'ondemand' })],
        [' key1, key2', ondemand({ keys: labels('ondemand', 'key1', 'key2') })],
      ],
      PORT: [
        ['7860', { '/server/port': 7860 }],
        ['8123', port],
      ],
      GIN_MODE: [
        ['release', 'no effect'],
        ['debug', 'no effect'],
      ],
      ONDEMAND_API_BASE: [
        ['https://api.on-demand.io/chat/v1', ondemand({ chat_base: 'https://api.on-demand.io/chat/v1' })],
        ['https://other.example/chat/v1/', ondemand({ chat_base: 'https://other.example/chat/v1' })],
      ],
    },
    members: {},
    file: null,
    sample: {
      files: {
        '.env': `PRIVATE_KEY=your_private_key_here
ONDEMAND_APIKEYS=key1,key2,key3
PORT=7860
GIN_MODE=release
# ONDEMAND_API_BASE=https://api.on-demand.io/chat/v1`,
      },
      refused: ['.env: PRIVATE_KEY'],
      idle: ['GIN_MODE'],
    },
  },
  {
    // https://github.com/CrisRain/OnDemand-API-Proxy at debfd1f (2025-06-01): README.md, and what config.py has besides
    title: 'OnDemand-API-Proxy',
    base: { files: { 'config.json': JSON.stringify({ accounts: oneAccount }) }, environment: {} },
    variables: {
      ONDEMAND_ACCOUNTS: [
        [
          '{"accounts": [{"email": "user1@example.com", "password": "pw1"}, {"email": "user2@example.com", "password": "pw2"}]}',
          accounts('user1@example.com', 'user2@example.com'),
        ],
        ['[{"email": "a@b.example", "password": "p"}]', accounts('a@b.example')],
      ],
      API_ACCESS_TOKEN: [
        ['sk-2api-ondemand-access-token-2025', published],
        ['a-proxy-token-of-mine', client('a-proxy-token-of-mine')],
      ],
      PORT: [
        ['7860', { '/server/port': 7860 }],
        ['8123', port],
      ],
      FLASK_DEBUG: [
        ['true', 'no effect'],
        ['False', 'no effect'],
      ],
      APP_CONFIG_PATH: [['else/proxy.json', accounts('else@example.com')]],
      LOG_PATH: [['/tmp/2api.log', { '/log/path': '/tmp/2api.log' }]],
      LOG_LEVEL: [
        ['DEBUG', { '/log/level': 'debug' }],
        ['INFO', { '/log/level': 'info' }],
        ['WARNING', { '/log/level': 'warn' }],
        ['ERROR', { '/log/level': 'error' }],
        ['CRITICAL', { '/log/level': 'error' }],
      ],
      LOG_FORMAT: [['%(asctime)s - %(name)s - %(levelname)s - %(message)s', { '/log/format': 'text' }]],
      ONDEMAND_SESSION_TIMEOUT_MINUTES: [
        ['30', ondemand({ 'sessions/idle': '30m' })],
        ['7', ondemand({ 'sessions/idle': '7m' })],
      ],
      SESSION_TIMEOUT_MINUTES: [['3600', 'no effect']],
      MAX_RETRIES: [
        ['5', ondemand({ 'retries/max': 5, max_attempts: 6 })],
        ['0', ondemand({ 'retries/max': 0, max_attempts: 1 })],
      ],
      RETRY_DELAY: [
        ['3', ondemand({ 'retries/base': '3s' })],
        ['10', ondemand({ 'retries/base': '10s' })],
      ],
      REQUEST_TIMEOUT: [
        ['45', ondemand({ request_timeout: '45s' })],
        ['90s', ondemand({ request_timeout: '90s' })],
      ],
      STREAM_TIMEOUT: [
        ['180', ondemand({ 'timeouts/first_byte': '3m', 'timeouts/idle': '3m', max_wait: '6m' })],
        ['20', ondemand({ 'timeouts/first_byte': '20s', 'timeouts/idle': '20s', max_wait: '40s' })],
      ],
      RATE_LIMIT: [
        ['60', { '/access/default_limits/rpm': 60 }],
        ['30', { '/access/default_limits/rpm': 30 }],
      ],
      DEBUG_MODE: [
        ['true', { '/log/level': 'debug' }],
        ['false', { '/log/level': 'info' }],
      ],
      // Of any2api itself: other addresses of the same service.
      ONDEMAND_CLIENT_BASE: [['https://c.example/client/', ondemand({ client_base: 'https://c.example/client' })]],
      ONDEMAND_AUTH_BASE: [['https://a.example/v1', ondemand({ auth_base: 'https://a.example/v1' })]],
    },
    members: {
      '/accounts': [
        [
          [
            { email: 'your_ondemand_email_1@example.com', password: 'your_ondemand_password_1' },
            { email: 'your_ondemand_email_2@example.com', password: 'your_ondemand_password_2' },
          ],
          accounts('your_ondemand_email_1@example.com', 'your_ondemand_email_2@example.com'),
        ],
      ],
      '/api_access_token': [
        ['YOUR_SECRET_PROXY_ACCESS_TOKEN', published],
        ['a-proxy-token-of-mine', client('a-proxy-token-of-mine')],
      ],
      '/model_prices': [
        [
          { 'gpt-3.5-turbo': { input: 0.25, output: 0.75 }, 'gpt-4o': { input: 1.25, output: 5 } },
          {
            '/prices': {
              'gpt-3.5-turbo': { input: 0.25, output: 0.75, cached_input: null },
              'gpt-4o': { input: 1.25, output: 5, cached_input: null },
            },
          },
        ],
      ],
      '/default_model_price': [
        [{ input: 1, output: 3 }, { '/default_model_price': { input: 1, output: 3, cached_input: null } }],
        [{ input: 2, output: 6 }, { '/default_model_price': { input: 2, output: 6, cached_input: null } }],
      ],
      '/rate_limit_per_minute': [
        [60, { '/access/default_limits/rpm': 60 }],
        [5, { '/access/default_limits/rpm': 5 }],
      ],
      '/account_cooldown_seconds': [
        [300, ondemand({ rate_limit_rest: '5m' })],
        [0, ondemand({ rate_limit_rest: '0ms' })],
      ],
      '/ondemand_session_timeout_minutes': [
        [30, ondemand({ 'sessions/idle': '30m' })],
        [7, ondemand({ 'sessions/idle': '7m' })],
      ],
      '/session_timeout_minutes': [[3600, 'no effect']],
      '/max_retries': [
        [5, ondemand({ 'retries/max': 5, max_attempts: 6 })],
        [2, ondemand({ 'retries/max': 2, max_attempts: 3 })],
      ],
      '/retry_delay': [
        [3, ondemand({ 'retries/base': '3s' })],
        [0.5, ondemand({ 'retries/base': '500ms' })],
      ],
      '/request_timeout': [
        [45, ondemand({ request_timeout: '45s' })],
        [20, ondemand({ request_timeout: '20s' })],
      ],
      '/stream_timeout': [
        [180, ondemand({ 'timeouts/first_byte': '3m', 'timeouts/idle': '3m', max_wait: '6m' })],
        [300, ondemand({ 'timeouts/first_byte': '5m', 'timeouts/idle': '5m', max_wait: '10m' })],
      ],
      '/debug_mode': [
        [false, { '/log/level': 'info' }],
        [true, { '/log/level': 'debug' }],
      ],
      '/FLASK_DEBUG': [[false, 'no effect']],
      '/stats_file_path': [
        ['stats_data.json', { '/store/import_statistics': '/app/stats_data.json' }],
        ['/var/stats.json', { '/store/import_statistics': '/var/stats.json' }],
      ],
      '/stats_backup_path': [['stats_data_backup.json', 'no effect']],
      '/stats_save_interval': [[300, 'no effect']],
      '/default_endpoint_id': [
        ['predefined-claude-4-sonnet', ondemand({ default_endpoint_id: 'predefined-claude-4-sonnet' })],
        ['predefined-openai-gpt4o', ondemand({ default_endpoint_id: 'predefined-openai-gpt4o' })],
      ],
      // Only in its code.
      '/max_account_attempts': [[3, ondemand({ max_attempts: 3 })]],
      '/max_history_items': [[1000, 'no effect']],
      '/model_mappings': [[{ mine: 'predefined-x' }, ondemand({ models: { mine: 'predefined-x' } })]],
    },
    file: 'config.json',
    sample: {
      files: {
        'config.json': `{
  "accounts": [
    { "email": "your_ondemand_email_1@example.com", "password": "your_ondemand_password_1" },
    { "email": "your_ondemand_email_2@example.com", "password": "your_ondemand_password_2" }
  ],
  "api_access_token": "YOUR_SECRET_PROXY_ACCESS_TOKEN",
  "model_prices": {
    "gpt-3.5-turbo": {"input": 0.25, "output": 0.75},
    "gpt-4o": {"input": 1.25, "output": 5.00},
    "claude-3.5-sonnet": {"input": 1.50, "output": 7.50}
    // more models
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
}`,
      },
      refused: ['config.json: api_access_token'],
      idle: ['session_timeout_minutes', 'FLASK_DEBUG', 'stats_backup_path', 'stats_save_interval'],
    },
  },
  {
    // https://github.com/TerrySiu98/api-proxy at 16409a0 (2024-12-21): README.md, config.json.example
    title: 'api-proxy',
    base: {
      files: {
        'config.json': JSON.stringify({
          api: { url: 'https://up.example/v1/chat/completions', key: 'sk-upstream' },
          allowed_keys: [],
        }),
      },
      environment: {},
    },
    variables: {
      CONFIG_PATH: [['else/redirects.json', { '/providers/api_proxy/base_url': 'https://else.example/v1' }]],
    },
    members: {
      '/api/url': [
        [
          'https://api.openai.com/v1/chat/completions',
          { '/providers/api_proxy/base_url': 'https://api.openai.com/v1', '/providers/api_proxy/chat_url': null },
        ],
        [
          'https://up.example/chat?api-version=1',
          { '/providers/api_proxy/chat_url': 'https://up.example/chat?api-version=***' },
        ],
      ],
      '/api/key': [
        ['your-api-key-here', publishedKey],
        ['sk-mine', { '/providers/api_proxy/keys': labels('openai', 'sk-mine') }],
      ],
      '/allowed_keys': [
        [['your-client-key-1', 'your-client-key-2'], published],
        [['a-client-key-of-mine'], client('a-client-key-of-mine')],
      ],
      '/model_redirects': [
        [
          { 'gpt-4': 'gpt-4-turbo-preview', 'gpt-3.5-turbo': 'gpt-3.5-turbo-0125' },
          {
            '/models/gpt-4': route('api_proxy/gpt-4-turbo-preview'),
            '/models/gpt-3.5-turbo': route('api_proxy/gpt-3.5-turbo-0125'),
          },
        ],
      ],
    },
    file: 'config.json',
    sample: {
      files: {
        'config/config.json': `{
  "model_redirects": { "gpt-4": "gpt-4-turbo-preview", "gpt-3.5-turbo": "gpt-3.5-turbo-0125" },
  "api": { "url": "https://api.openai.com/v1/chat/completions", "key": "your-api-key-here" },
  "allowed_keys": ["your-client-key-1", "your-client-key-2"]
}`,
      },
      refused: [
        'config/config.json: api.key',
        'config/config.json: allowed_keys[0]',
        'config/config.json: allowed_keys[1]',
      ],
      idle: [],
    },
  },
  {
    // https://github.com/CrisRain/Scira2API at a5531a0 (2025-06-06): README.md, .env.example, and what config.go has besides
    title: 'scira2api',
    base: { files: {}, environment: { BASE_URL: 'https://scira.ai/' } },
    variables: {
      PORT: [
        ['8080', { '/server/port': 8080 }],
        ['8123', port],
      ],
      READ_TIMEOUT: [['10', 'no effect']],
      WRITE_TIMEOUT: [['10', 'no effect']],
      IDLE_TIMEOUT: [['300', 'no effect']],
      APIKEY: [
        ['YOUR_API_KEY', published],
        ['a-scira-key-of-mine', client('a-scira-key-of-mine')],
      ],
      BASE_URL: [
        ['https://scira.ai/', scira({ type: 'scira', base_url: 'https://scira.ai' })],
        ['https://api.openai.com', openAi({ type: 'openai', base_url: 'https://api.openai.com/v1' })],
        ['https://api.openai.com/v1/', openAi({ base_url: 'https://api.openai.com/v1' })],
        ['https://openrouter.ai/api', openAi({ base_url: 'https://openrouter.ai/api/v1' })],
        [
          'https://up.example/v1beta/openai/',
          openAi({ base_url: 'https://up.example/v1beta/openai', max_attempts: 3, max_wait: '20m' }),
        ],
      ],
      CLIENT_TIMEOUT: [
        ['600s', scira({ 'timeouts/first_byte': '10m', 'timeouts/answer': '10m', max_wait: '20m' })],
        ['300', scira({ 'timeouts/first_byte': '5m', max_wait: '10m' })],
        ['1m30s', scira({ 'timeouts/first_byte': '90s', max_wait: '3m' })],
        ['soon', { refused: 'must be a duration with its unit, such as 500ms, 45s, 5m, 1h or 90d' }],
      ],
      RETRY: [
        ['3', scira({ max_attempts: 3 })],
        ['1', scira({ max_attempts: 1 })],
        ['0', scira({ max_attempts: 1 })],
        ['often', { refused: 'must be a whole number, at least 1' }],
      ],
      HTTP_PROXY: [
        ['http://user:pass@proxy.example.com:8080', scira({ proxy: 'http://***@proxy.example.com:8080' })],
        ['proxy.example.com:8080', scira({ proxy: 'http://proxy.example.com:8080' })],
      ],
      SOCKS5_PROXY: [
        ['socks5://user:pass@proxy.example.com:1080', scira({ proxy: 'socks5h://***@proxy.example.com:1080' })],
        [
          'proxy.example.com:1080',
          scira({ proxy: 'socks5h://proxy.example.com:1080' }),
          { HTTP_PROXY: 'http://other.example:8080' },
        ],
      ],
      CACHE_ENABLED: [
        ['true', { '/cache/enabled': true, '/cache/shared': false }],
        ['F', { '/cache/enabled': false }],
        ['yes', { refused: 'must be true or false' }],
      ],
      MODEL_CACHE_TTL: [
        ['1h', { '/cache/model_list_ttl': '1h' }],
        ['1h30m', { '/cache/model_list_ttl': '90m' }],
      ],
      RESP_CACHE_TTL: [
        ['5m', { '/cache/ttl': '5m' }],
        ['1.5h', { '/cache/ttl': '90m' }],
        ['soon', { refused: 'must be a duration with its unit, such as 500ms, 45s, 5m, 1h or 90d' }],
      ],
      CLEANUP_INTERVAL: [['10m', 'no effect']],
      CONN_POOL_ENABLED: [['true', 'no effect']],
      MAX_IDLE_CONNS: [['1000', 'no effect']],
      MAX_CONNS_PER_HOST: [['16', 'no effect']],
      MAX_IDLE_CONNS_PER_HOST: [['8', 'no effect']],
      IDLE_CONN_TIMEOUT: [['90s', 'no effect']],
      RATE_LIMIT_ENABLED: [
        ['true', limits({ rps: 1, burst: 10 })],
        ['0', limits({ rps: null, burst: null })],
        ['yes', { refused: 'must be true or false' }],
      ],
      REQUESTS_PER_SECOND: [
        ['1.0', limits({ rps: 1, burst: 10 })],
        ['2.5', limits({ rps: 2.5, burst: 10 })],
        ['2.5', limits({ rps: null, burst: null }), { RATE_LIMIT_ENABLED: 'false', BURST: '3' }],
      ],
      BURST: [
        ['10', limits({ rps: 1, burst: 10 })],
        ['20', limits({ rps: 1, burst: 20 })],
      ],
      MODEL_MAPPINGS: [
        [
          'gpt-4o:scira-4o,claude-3-opus:scira-anthropic-opus',
          {
            '/models/gpt-4o': route('scira/scira-4o'),
            '/models/claude-3-opus': route('scira/scira-anthropic-opus'),
            '/default_provider': 'scira',
          },
        ],
        [
          'gpt-4o:gpt-4o-mini',
          { '/models/gpt-4o': route('scira2api/gpt-4o-mini'), '/default_provider': 'scira2api' },
          { BASE_URL: 'https://api.openai.com' },
        ],
        [
          'gpt-4o:scira-4o',
          { '/models/gpt-4o': route('scira/scira-4o'), '/providers/scira/base_url': 'https://mirror.example' },
          { BASE_URL: 'https://mirror.example' },
        ],
        [
          'gpt-4o:scira-4o',
          {
            '/models/gpt-4o': route('scira2api/scira-4o'),
            '/providers/scira2api/base_url': 'https://mirror.example/v1',
          },
          { BASE_URL: 'https://mirror.example', UPSTREAM_TYPE: 'openai' },
        ],
        [' mine : scira-x , ', { '/models/mine': route('scira/scira-x') }],
        [
          'a:scira-x,b=y',
          { refused: 'must be pairs such as gpt-4o:scira-4o, separated by commas; the second is none' },
        ],
      ],
      MODEL_MAPPING: [['gpt-4o:scira-4o,claude-3-opus:scira-claude-opus', 'no effect']],
      LOG_LEVEL: [
        ['info', { '/log/level': 'info' }],
        ['fatal', { '/log/level': 'error' }],
      ],
      // Only in its code.
      http_proxy: [
        ['http://lower.example:8080', scira({ proxy: 'http://lower.example:8080' })],
        [
          'http://lower.example:8080',
          scira({ proxy: 'http://upper.example:8080' }),
          { HTTP_PROXY: 'http://upper.example:8080' },
        ],
      ],
      RESPONSE_CACHE_TTL: [['7m', { '/cache/ttl': '7m' }]],
      CACHE_CLEANUP_INTERVAL: [['10m', 'no effect']],
      // Of any2api itself: what kind of service BASE_URL is.
      UPSTREAM_TYPE: [
        ['scira', scira({ type: 'scira' })],
        ['OpenAI', openAi({ type: 'openai', base_url: 'https://scira.ai/v1' })],
        ['other', { refused: 'must be scira or openai' }],
      ],
      UPSTREAM_API_KEY: [
        [
          'sk-upstream',
          openAi({ type: 'openai', keys: labels('openai', 'sk-upstream') }),
          { BASE_URL: 'https://api.openai.com' },
        ],
        ['sk-upstream', 'no effect'],
      ],
    },
    members: {},
    file: null,
    sample: {
      files: {
        '.env': `PORT=8080
READ_TIMEOUT=10
WRITE_TIMEOUT=10
IDLE_TIMEOUT=300
APIKEY=
BASE_URL=https://scira.ai/
CLIENT_TIMEOUT=300
RETRY=1
HTTP_PROXY=
SOCKS5_PROXY=
CACHE_ENABLED=true
MODEL_CACHE_TTL=1h
RESP_CACHE_TTL=5m
CLEANUP_INTERVAL=10m
CONN_POOL_ENABLED=true
MAX_IDLE_CONNS=1000
MAX_CONNS_PER_HOST=
MAX_IDLE_CONNS_PER_HOST=
IDLE_CONN_TIMEOUT=90s
RATE_LIMIT_ENABLED=true
REQUESTS_PER_SECOND=1.0
BURST=10
LOG_LEVEL=info
MODEL_MAPPING=`,
      },
      refused: [],
      idle: [
        'CLEANUP_INTERVAL',
        'CONN_POOL_ENABLED',
        'MAX_IDLE_CONNS',
        'IDLE_CONN_TIMEOUT',
        'READ_TIMEOUT',
        'WRITE_TIMEOUT',
        'IDLE_TIMEOUT',
      ],
    },
  },
  {
    // https://github.com/tbphp/gpt-load at 9ba7375 (2025-06-07): README.md, .env.example
    title: 'gpt-load (first version, the multi-key transparent proxy)',
    base: { files: { 'keys.txt': 'sk-one\n' }, environment: {} },
    variables: {
      PORT: [
        ['3000', { '/server/port': 3000 }],
        ['8123', port],
      ],
      HOST: [
        ['0.0.0.0', { '/server/host': '0.0.0.0' }],
        ['127.0.0.1', { '/server/host': '127.0.0.1' }],
      ],
      KEYS_FILE: [
        ['keys.txt', multiKey({ keys: labels('openai', 'sk-one') })],
        ['else/pool.txt', multiKey({ keys: labels('openai', 'sk-two', 'sk-three') })],
      ],
      START_INDEX: [
        ['0', multiKey({ start_index: 0 })],
        ['4', multiKey({ start_index: 4 })],
      ],
      BLACKLIST_THRESHOLD: [
        ['1', multiKey({ 'blacklist/threshold': 1 })],
        ['3', multiKey({ 'blacklist/threshold': 3 })],
      ],
      MAX_RETRIES: [
        ['3', multiKey({ max_attempts: 4 })],
        ['0', multiKey({ max_attempts: 1 })],
      ],
      OPENAI_BASE_URL: [
        ['https://api.openai.com', multiKey({ base_url: 'https://api.openai.com/v1' })],
        ['https://up.example/proxy/', multiKey({ base_url: 'https://up.example/proxy/v1' })],
        ['https://up.example/proxy/v1', multiKey({ base_url: 'https://up.example/proxy/v1' })],
      ],
      REQUEST_TIMEOUT: [
        ['30000', multiKey({ 'timeouts/first_byte': '30s', 'timeouts/answer': '30s', max_wait: '2m' })],
        ['300000', multiKey({ 'timeouts/first_byte': '5m', 'timeouts/answer': '5m', max_wait: '10m' })],
        ['45s', multiKey({ 'timeouts/first_byte': '45s' })],
      ],
      AUTH_KEY: [
        ['your-secret-key', published],
        ['an-auth-key-of-mine', client('an-auth-key-of-mine')],
      ],
      ENABLE_CORS: [
        ['true', { '/server/cors_origins': ['*'] }],
        ['True', { '/server/cors_origins': ['*'] }],
        ['false', { '/server/cors_origins': [] }],
      ],
      ALLOWED_ORIGINS: [
        ['*', { '/server/cors_origins': ['*'] }],
        [
          'https://a.example, https://b.example',
          { '/server/cors_origins': ['https://a.example', 'https://b.example'] },
        ],
        ['https://a.example', { '/server/cors_origins': [] }, { ENABLE_CORS: 'false' }],
      ],
      MAX_SOCKETS: [
        ['100', multiKey({ max_idle_sockets: 100 })],
        ['50', multiKey({ max_idle_sockets: 50 })],
      ],
      MAX_FREE_SOCKETS: [
        ['20', multiKey({ max_idle_sockets: 20 }), { MAX_SOCKETS: '100' }],
        ['0', multiKey({ max_idle_sockets: 0 })],
      ],
      ENABLE_KEEP_ALIVE: [['true', 'no effect']],
      DISABLE_COMPRESSION: [['true', 'no effect']],
      BUFFER_SIZE: [['65536', 'no effect']],
      LOG_LEVEL: [
        ['info', { '/log/level': 'info' }],
        ['warn', { '/log/level': 'warn' }],
      ],
      LOG_FORMAT: [
        ['text', { '/log/format': 'text' }],
        ['json', { '/log/format': 'json' }],
      ],
      LOG_ENABLE_FILE: [
        ['false', { '/log/path': null }],
        ['TRUE', { '/log/path': '/app/logs/app.log' }],
      ],
      // Means nothing without LOG_ENABLE_FILE, then as now.
      LOG_FILE_PATH: [
        ['logs/app.log', { '/log/path': null }],
        ['logs/mine.log', { '/log/path': '/app/logs/mine.log' }, { LOG_ENABLE_FILE: 'true' }],
      ],
      LOG_ENABLE_REQUEST: [['true', 'no effect']],
    },
    members: {},
    file: null,
    sample: {
      files: {
        'keys.txt': 'sk-one\nsk-two\n',
        '.env': `PORT=3000
HOST=0.0.0.0
KEYS_FILE=keys.txt
START_INDEX=0
BLACKLIST_THRESHOLD=1
MAX_RETRIES=3
OPENAI_BASE_URL=https://api.openai.com
REQUEST_TIMEOUT=30000
MAX_SOCKETS=100
MAX_FREE_SOCKETS=20
ENABLE_KEEP_ALIVE=true
DISABLE_COMPRESSION=true
BUFFER_SIZE=65536
LOG_LEVEL=info
LOG_FORMAT=text
LOG_ENABLE_FILE=false
LOG_FILE_PATH=logs/app.log
LOG_ENABLE_REQUEST=true
# AUTH_KEY=your-secret-key
ENABLE_CORS=true
ALLOWED_ORIGINS=*`,
      },
      refused: [],
      idle: ['ENABLE_KEEP_ALIVE', 'DISABLE_COMPRESSION', 'BUFFER_SIZE', 'LOG_ENABLE_REQUEST'],
    },
  },
]

/** Files that some value above names. */
export const namedFiles: Readonly<Record<string, string>> = {
  'else/proxy.json': JSON.stringify({ accounts: [{ email: 'else@example.com', password: 'p' }] }),
  'else/redirects.json': JSON.stringify({
    api: { url: 'https://else.example/v1/chat/completions', key: 'sk-else' },
    allowed_keys: [],
  }),
  'else/pool.txt': 'sk-two\nsk-three\n',
}
