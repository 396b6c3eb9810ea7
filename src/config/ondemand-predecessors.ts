/** The two programs that any2api replaces for OnDemand: by API key (Go) and by account (Python), with every setting they document. */
import { join } from 'node:path'
import { splitList } from './environment.ts'
import type { Assignment, Predecessor, PredecessorFileSetting, PredecessorSetting } from './predecessors.ts'
import { isTree, type SettingsTree } from './settings-tree.ts'
import { durationPattern, parseDuration } from './units.ts'

const provider = '/providers/ondemand'

interface SharedSetting {
  /** In `config.json`. */
  readonly name: string
  /** In the environment, which wins; null: its documents name none. */
  readonly variable: string | null
  /** What a bare number means. */
  readonly unit?: 's' | 'm'
  /** Takes a file's value of any type, or a variable's text. */
  readonly becomes: ((value: unknown) => readonly Assignment[]) | { readonly noEffect: string }
}

/** Of OnDemand-API-Proxy, in the order of its README. Among those that set the same, the later one wins. */
const sharedSettings: readonly SharedSetting[] = [
  {
    name: 'accounts',
    variable: 'ONDEMAND_ACCOUNTS',
    becomes: (value) => [[`${provider}/accounts`, accountsOf(value)]],
  },
  { name: 'api_access_token', variable: 'API_ACCESS_TOKEN', becomes: (value) => [['/access/client_keys', [value]]] },
  { name: 'model_prices', variable: null, becomes: to('/prices') },
  { name: 'default_model_price', variable: null, becomes: to('/default_model_price') },
  { name: 'rate_limit_per_minute', variable: 'RATE_LIMIT', becomes: to('/access/default_limits/rpm') },
  { name: 'account_cooldown_seconds', variable: null, unit: 's', becomes: to(`${provider}/rate_limit_rest`) },
  {
    name: 'ondemand_session_timeout_minutes',
    variable: 'ONDEMAND_SESSION_TIMEOUT_MINUTES',
    unit: 'm',
    becomes: to(`${provider}/sessions/idle`),
  },
  {
    name: 'session_timeout_minutes',
    variable: 'SESSION_TIMEOUT_MINUTES',
    becomes: { noEffect: 'no sessions of clients are kept' },
  },
  { name: 'max_retries', variable: 'MAX_RETRIES', becomes: retriesOf },
  { name: 'max_account_attempts', variable: null, becomes: to(`${provider}/max_attempts`) },
  { name: 'retry_delay', variable: 'RETRY_DELAY', unit: 's', becomes: to(`${provider}/retries/base`) },
  { name: 'request_timeout', variable: 'REQUEST_TIMEOUT', unit: 's', becomes: to(`${provider}/request_timeout`) },
  { name: 'stream_timeout', variable: 'STREAM_TIMEOUT', unit: 's', becomes: streamTimeoutOf },
  {
    name: 'debug_mode',
    variable: 'DEBUG_MODE',
    becomes: (value) => [['/log/level', isTrue(value) ? 'debug' : undefined]],
  },
  { name: 'FLASK_DEBUG', variable: 'FLASK_DEBUG', becomes: { noEffect: 'there is no debugging server' } },
  { name: 'stats_file_path', variable: null, becomes: to('/store/import_statistics') },
  { name: 'stats_backup_path', variable: null, becomes: { noEffect: 'statistics are kept in the data directory' } },
  { name: 'stats_save_interval', variable: null, becomes: { noEffect: 'every call is written within 100 ms' } },
  {
    name: 'max_history_items',
    variable: null,
    becomes: { noEffect: 'store.retention decides how long calls are kept' },
  },
  { name: 'model_mappings', variable: null, becomes: to(`${provider}/models`) },
  { name: 'default_endpoint_id', variable: null, becomes: to(`${provider}/default_endpoint_id`) },
]

/** Where both are present, keys and accounts stand in one pool, so that none lies idle. */
export const ondemandPredecessors: readonly Predecessor[] = [
  {
    // https://github.com/caidaoli/OnDemand2API, README.md and config.example.env
    title: 'OnDemand2API',
    provider: 'ondemand',
    recognisedBy: ['ONDEMAND_APIKEYS'],
    file: { variable: null, candidates: [], marks: [], settings: {} },
    defaults: () => [
      ['/server/port', 7860],
      ['/default_provider', 'ondemand'],
      [`${provider}/type`, 'ondemand'],
    ],
    environment: {
      ONDEMAND_APIKEYS: { to: `${provider}/keys`, read: splitList },
      PRIVATE_KEY: { to: '/access/client_keys', read: (value) => [value] },
      ONDEMAND_API_BASE: { to: `${provider}/chat_base` },
      GIN_MODE: { noEffect: 'there is one way to run; LOG_LEVEL decides what is logged' },
    },
  },
  {
    // https://github.com/CrisRain/OnDemand-API-Proxy, README.md
    title: 'OnDemand-API-Proxy',
    provider: 'ondemand',
    recognisedBy: ['ONDEMAND_ACCOUNTS', 'APP_CONFIG_PATH'],
    file: {
      variable: 'APP_CONFIG_PATH',
      candidates: ['config.json'],
      marks: ['accounts'],
      settings: Object.fromEntries(sharedSettings.map((setting) => [`/${setting.name}`, inFile(setting)])),
    },
    defaults: ({ cwd, hasOwnFile }) => [
      ['/server/port', 7860],
      ['/default_provider', 'ondemand'],
      [`${provider}/type`, 'ondemand'],
      [`${provider}/default_endpoint_id`, 'predefined-claude-4-sonnet'],
      [`${provider}/sessions/idle`, '30m'],
      [`${provider}/rate_limit_rest`, '300s'],
      [`${provider}/retries/base`, '3s'],
      [`${provider}/request_timeout`, '45s'],
      ...retriesOf(5),
      ...streamTimeoutOf('180s'),
      ['/store/import_statistics', join(cwd, 'stats_data.json')],
      // Where there is a file of our own, who may do what is its business.
      ...(hasOwnFile ? [] : openToClients),
    ],
    environment: {
      ...Object.fromEntries(
        sharedSettings.flatMap((setting) =>
          setting.variable === null ? [] : [[setting.variable, inEnvironment(setting)]],
        ),
      ),
      ONDEMAND_CLIENT_BASE: { to: `${provider}/client_base` },
      ONDEMAND_AUTH_BASE: { to: `${provider}/auth_base` },
    },
  },
]

const openToClients: readonly Assignment[] = [
  ['/access/public_models', true],
  ['/access/default_limits/rpm', 60],
]

function inFile({ variable, unit, becomes }: SharedSetting): PredecessorFileSetting {
  const replacedBy = variable === null ? {} : { variable }
  if (typeof becomes !== 'function') return { ...becomes, ...replacedBy }
  return {
    isRequired: false,
    ...replacedBy,
    translate: (value) => becomes(unit === undefined ? value : withUnit(value, unit)),
  }
}

function inEnvironment({ unit, becomes }: SharedSetting): PredecessorSetting {
  if (typeof becomes !== 'function') return becomes
  return { ...(unit === undefined ? {} : { unit }), translate: becomes }
}

function to(pointer: string): (value: unknown) => readonly Assignment[] {
  return (value) => [[pointer, value]]
}

function withUnit(value: unknown, unit: string): unknown {
  const isBare = typeof value === 'number' || (typeof value === 'string' && /^\d+(\.\d+)?$/.test(value))
  return isBare ? `${value}${unit}` : value
}

/** `{"accounts": [...]}` as text, or the list itself. Other members of an account meant nothing. */
function accountsOf(value: unknown): unknown {
  if (typeof value === 'string') {
    const parsed = parseJson(value)
    return typeof parsed === 'string' ? value : accountsOf(parsed)
  }
  if (isTree(value) && value.accounts !== undefined) return accountsOf(value.accounts)
  if (!Array.isArray(value)) return value
  return value.map((each: unknown) => (isTree(each) ? pick(each, ['email', 'password']) : each))
}

function pick(tree: SettingsTree, names: readonly string[]): SettingsTree {
  return Object.fromEntries(names.filter((name) => Object.hasOwn(tree, name)).map((name) => [name, tree[name]]))
}

/** The text itself where it is no JSON: the schema refuses that with its place. */
function parseJson(text: string): unknown {
  // Quotes that a shell would have taken away stay in the files of container tools.
  const bare = /^'(.*)'$/s.exec(text)?.[1] ?? text
  try {
    return JSON.parse(bare)
  } catch {
    return text
  }
}

/** Its retries were those of each step, and after a 429 those of the accounts. */
function retriesOf(value: unknown): readonly Assignment[] {
  const isCount = /^\d+$/.test(String(value))
  return [
    [`${provider}/retries/max`, value],
    [`${provider}/max_attempts`, isCount ? Number(value) + 1 : undefined],
  ]
}

/** It held for each read. Two such waits must fit into what a call may take until its first content. */
function streamTimeoutOf(value: unknown): readonly Assignment[] {
  const isDuration = typeof value === 'string' && new RegExp(durationPattern).test(value)
  return [
    [`${provider}/timeouts/first_byte`, value],
    [`${provider}/timeouts/idle`, value],
    [`${provider}/max_wait`, isDuration ? `${2 * parseDuration(value)}ms` : undefined],
  ]
}

function isTrue(value: unknown): boolean {
  return String(value).toLowerCase() === 'true'
}
