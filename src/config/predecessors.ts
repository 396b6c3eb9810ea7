/** Tables from the settings of the programs that any2api replaces to its own, and what recognises each program. */
import { join, resolve } from 'node:path'
import { type Environment, splitList } from './environment.ts'
import { ondemandPredecessors } from './ondemand-predecessors.ts'
import { attemptTimeout, withVersionPath } from './predecessor-upstreams.ts'
import { parseSettingsFile } from './read-settings-file.ts'
import { type ReadFile, readTextFile } from './read-text-file.ts'
import type { Report } from './report.ts'
import { sciraPredecessors } from './scira-predecessors.ts'
import { isTree, type Layer, pointerNames, type SettingsTree, showPointer, treeOf } from './settings-tree.ts'

/** In order: of several recognised at once the first gives port and default provider. */
export const predecessors: readonly Predecessor[] = [
  ...ondemandPredecessors,
  {
    // https://github.com/TerrySiu98/api-proxy, README.md and config.json.example
    title: 'api-proxy',
    provider: 'api_proxy',
    recognisedBy: ['CONFIG_PATH'],
    file: {
      variable: 'CONFIG_PATH',
      candidates: ['config.json', 'config/config.json'],
      marks: ['api', 'allowed_keys'],
      settings: {
        '/api/url': { isRequired: true, translate: (value) => [chatEndpoint(value)] },
        '/api/key': { isRequired: true, translate: (value) => [['/providers/api_proxy/keys', [value]]] },
        '/allowed_keys': { isRequired: false, translate: (value) => [['/access/client_keys', value]] },
        '/model_redirects': { isRequired: false, translate: (value) => [['/models', redirects(value)]] },
      },
    },
    defaults: () => [
      ['/server/port', 5000],
      ['/default_provider', 'api_proxy'],
    ],
    environment: {},
  },
  ...sciraPredecessors,
  {
    // https://github.com/tbphp/gpt-load in June 2025: README.md and .env.example of the first version
    title: 'gpt-load (first version, the multi-key transparent proxy)',
    provider: 'multi_key',
    recognisedBy: ['KEYS_FILE', 'OPENAI_BASE_URL'],
    openWithout: 'AUTH_KEY',
    file: { variable: null, candidates: ['keys.txt'], marks: [], settings: {} },
    defaults: ({ cwd }) => [
      ['/server/port', 3000],
      ['/default_provider', 'multi_key'],
      ['/providers/multi_key/base_url', 'https://api.openai.com'],
      ['/providers/multi_key/keys_file', join(cwd, 'keys.txt')],
      ['/providers/multi_key/blacklist/threshold', 1],
      ['/providers/multi_key/timeouts/first_byte', '30000ms'],
      ['/providers/multi_key/max_attempts', 4],
      ['/providers/multi_key/max_idle_sockets', 50],
    ],
    environment: {
      OPENAI_BASE_URL: { to: '/providers/multi_key/base_url', read: withVersionPath },
      KEYS_FILE: { to: '/providers/multi_key/keys_file', read: (value, { cwd }) => resolve(cwd, value) },
      START_INDEX: { to: '/providers/multi_key/start_index' },
      BLACKLIST_THRESHOLD: { to: '/providers/multi_key/blacklist/threshold' },
      REQUEST_TIMEOUT: { unit: 'ms', translate: (value) => attemptTimeout('/providers/multi_key', value) },
      MAX_RETRIES: { to: '/providers/multi_key/max_attempts', read: retriesToAttempts },
      MAX_SOCKETS: { to: '/providers/multi_key/max_idle_sockets' },
      MAX_FREE_SOCKETS: { to: '/providers/multi_key/max_idle_sockets' },
      AUTH_KEY: { to: '/access/client_keys', read: (value) => [value] },
      ALLOWED_ORIGINS: { to: '/server/cors_origins', read: splitList },
      // After ALLOWED_ORIGINS, because it overrules them.
      ENABLE_CORS: { to: '/server/cors_origins', read: (value) => (isTrue(value) ? undefined : []) },
      LOG_FILE_PATH: {
        to: '/log/path',
        read: (value, { environment }) => (isTrue(environment.read('LOG_ENABLE_FILE')) ? value : undefined),
      },
      LOG_ENABLE_FILE: {
        to: '/log/path',
        read: (value, { environment }) =>
          isTrue(value) && environment.read('LOG_FILE_PATH') === undefined ? 'logs/app.log' : undefined,
      },
      ENABLE_KEEP_ALIVE: { noEffect: 'connections are always kept alive' },
      DISABLE_COMPRESSION: { noEffect: 'compressed answers pass unchanged' },
      BUFFER_SIZE: { noEffect: 'streams pass without a buffer of fixed size' },
      LOG_ENABLE_REQUEST: { noEffect: 'every call has its log line; LOG_LEVEL decides what is written' },
    },
  },
]

/** What the recognised programs were told, as layers of our own settings. */
export function translatePredecessors(
  surroundings: Surroundings,
  report: Report,
  table: readonly Predecessor[] = predecessors,
): InheritedSettings {
  const recognised = table.flatMap((predecessor) => {
    const recognition = recognise(predecessor, surroundings, report)
    return recognition === null ? [] : [recognition]
  })
  announce(recognised, surroundings, report)
  const clashes = findUnitClashes(recognised, surroundings, report)
  // Later layers win and the first program is to win, so the last one goes first.
  const reversed = recognised.toReversed()
  return {
    names: recognised.map(({ predecessor }) => predecessor.title),
    defaults: reversed.flatMap(({ predecessor }) => defaultLayers(predecessor, surroundings)),
    files: reversed.flatMap(({ predecessor, file }) =>
      file === null ? [] : fileLayers(predecessor, { ...file, environment: surroundings.environment }, report),
    ),
    environment: reversed.flatMap(({ predecessor }) =>
      environmentLayers(predecessor, { ...surroundings, clashes }, report),
    ),
  }
}

export interface Predecessor {
  /** As its users know it. */
  readonly title: string
  /** Name of the provider that it becomes. */
  readonly provider: string
  /** Each of these variables recognises it. */
  readonly recognisedBy: readonly string[]
  /** Where one program becomes providers of different kinds: whether this kind is meant. Default: it is. */
  readonly isMeant?: (environment: Environment) => boolean
  /** Variable of its client key, without which it let everybody in. */
  readonly openWithout?: string
  /** What its users may not know of; null: nothing. */
  readonly hint?: (environment: Environment) => string | null
  readonly file: PredecessorFile
  /** Its documented defaults, as JSON pointers of our settings with values. */
  readonly defaults: (surroundings: Surroundings) => readonly Assignment[]
  readonly environment: Readonly<Record<string, PredecessorSetting>>
}

export interface PredecessorFile {
  /** Variable that names its configuration file. */
  readonly variable: string | null
  /** Where it looked otherwise, relative to the working directory. */
  readonly candidates: readonly string[]
  /** Top-level names that recognise the file; none: its name is enough, and it is not read here. */
  readonly marks: readonly string[]
  readonly settings: Readonly<Record<string, PredecessorFileSetting>>
}

export type PredecessorFileSetting =
  | {
      readonly isRequired: boolean
      /** Variable that replaces it. Where lists add up, it would otherwise only add to it. */
      readonly variable?: string | undefined
      /** Leaves a value of a wrong type as it is: the schema refuses it with its place. */
      readonly translate: (value: unknown) => readonly Assignment[]
    }
  | { readonly noEffect: string; readonly variable?: string | undefined }

/** A JSON pointer of our settings and its value. */
export type Assignment = readonly [pointer: string, value: unknown]

export type PredecessorSetting =
  | {
      readonly to: string
      /** What a bare number means. */
      readonly unit?: 'ms' | 's' | 'm'
      /** Why it cannot be read, where the schema cannot say it well; null: it can. */
      readonly fault?: (value: string) => string | null
      /** `undefined`: changes nothing. */
      readonly read?: (value: string, surroundings: Surroundings) => unknown
    }
  | {
      readonly unit?: 'ms' | 's' | 'm'
      /** Where one value means several of our settings. */
      readonly translate: (value: string) => readonly Assignment[]
    }
  | { readonly noEffect: string }

export interface Surroundings {
  readonly cwd: string
  readonly environment: Environment
  readonly readFile: ReadFile
  /** There is a configuration file of our own: then files of other programs mean nothing. */
  readonly hasOwnFile: boolean
}

/** All but `environment` yield to our own file. */
export interface InheritedSettings {
  readonly names: readonly string[]
  readonly defaults: readonly Layer[]
  readonly files: readonly Layer[]
  readonly environment: readonly Layer[]
}

interface Recognised {
  readonly predecessor: Predecessor
  /** What gave it away. */
  readonly by: string
  readonly file: { readonly name: string; readonly tree: SettingsTree } | null
}

function recognise(predecessor: Predecessor, surroundings: Surroundings, report: Report): Recognised | null {
  const { environment, hasOwnFile } = surroundings
  if (predecessor.isMeant?.(environment) === false) return null
  const variable = predecessor.recognisedBy.find((name) => environment.read(name) !== undefined)
  const named = predecessor.file.variable === null ? undefined : environment.read(predecessor.file.variable)
  if (variable !== undefined && named !== undefined) {
    return { predecessor, by: environment.place(variable), file: readNamedFile(predecessor, surroundings, report) }
  }
  const { file } = predecessor
  if (variable === undefined) {
    const hasMarks: Fits = (has) => file.marks.every(has)
    return hasOwnFile ? null : findFile({ predecessor, fits: hasMarks }, surroundings, report)
  }
  // Known by its environment already: then one name of its settings is enough for its file.
  const hasSetting: Fits = (has) => Object.keys(file.settings).some((pointer) => has(pointerNames(pointer)[0] ?? ''))
  const found = hasOwnFile ? null : findFile({ predecessor, fits: hasSetting }, surroundings, report)
  return { predecessor, by: environment.place(variable), file: found?.file ?? null }
}

/** Asked of a file's top-level names. */
type Fits = (has: (name: string) => boolean) => boolean

function readNamedFile(predecessor: Predecessor, surroundings: Surroundings, report: Report): Recognised['file'] {
  const variable = predecessor.file.variable ?? ''
  const name = surroundings.environment.read(variable) ?? ''
  const path = resolve(surroundings.cwd, name)
  report.watch(path)
  const file = readTextFile(surroundings.readFile, path)
  if (file.text === null) {
    report.problem(surroundings.environment.place(variable), `${name} cannot be read: ${file.fault}`)
    return null
  }
  const tree = parseSettingsFile({ name, ending: '.json', text: file.text }, report)
  return tree === null ? null : { name, tree }
}

function findFile(
  { predecessor, fits }: { readonly predecessor: Predecessor; readonly fits: Fits },
  surroundings: Surroundings,
  report: Report,
): Recognised | null {
  const { candidates, marks } = predecessor.file
  for (const name of candidates) {
    const path = join(surroundings.cwd, name)
    const { text } = readTextFile(surroundings.readFile, path)
    // A file with a mistake in it still says whose it is.
    if (text === null || !fits((each) => text.includes(`"${each}"`))) continue
    report.watch(path)
    if (marks.length === 0) return { predecessor, by: name, file: null }
    const tree = parseSettingsFile({ name, ending: '.json', text }, report)
    if (tree === null) return { predecessor, by: name, file: null }
    if (fits((each) => Object.hasOwn(tree, each))) return { predecessor, by: name, file: { name, tree } }
  }
  return null
}

function announce(recognised: readonly Recognised[], surroundings: Surroundings, report: Report): void {
  const { environment, hasOwnFile } = surroundings
  const isDecided =
    hasOwnFile || ['CLIENT_KEYS', 'ALLOW_ANONYMOUS'].some((name) => environment.read(name) !== undefined)
  for (const { predecessor, by } of recognised) {
    const { title, provider, openWithout } = predecessor
    report.notice(`settings of ${title} recognised by ${by}: they become provider ${provider}`)
    const hint = predecessor.hint?.(environment) ?? null
    if (hint !== null) report.notice(hint)
    if (openWithout === undefined || isDecided || environment.read(openWithout) !== undefined) continue
    report.notice(
      `${title} let everybody in where ${openWithout} was not set; here clients need a key, unless ALLOW_ANONYMOUS=true`,
    )
  }
  const [first, second] = recognised
  if (first === undefined || second === undefined) return
  report.notice(`${first.predecessor.title} gives the port and the default provider, unless they are set`)
}

/** Names whose bare number means different things to programs that are both present. */
function findUnitClashes(
  recognised: readonly Recognised[],
  { environment }: Surroundings,
  report: Report,
): ReadonlySet<string> {
  const clashes = new Set<string>()
  const names = new Set(recognised.flatMap(({ predecessor }) => Object.keys(predecessor.environment)))
  for (const name of names) {
    const value = environment.read(name)
    if (value === undefined || !bareNumber.test(value)) continue
    const readings = recognised.flatMap(({ predecessor }) => {
      const setting = predecessor.environment[name]
      return setting !== undefined && 'unit' in setting ? [{ title: predecessor.title, unit: setting.unit }] : []
    })
    if (new Set(readings.map(({ unit }) => unit)).size < 2) continue
    clashes.add(name)
    const said = readings.map(({ title, unit }) => `${unit} to ${title}`).join(', ')
    report.problem(environment.place(name), `write the number with a unit, such as 30s: without one it means ${said}`)
  }
  return clashes
}

const bareNumber = /^\d+$/

function defaultLayers(predecessor: Predecessor, surroundings: Surroundings): readonly Layer[] {
  return predecessor.defaults(surroundings).map(([pointer, value]) => ({
    tree: treeOf(pointer, value),
    place: (at) => `${showPointer(at)} (default of ${predecessor.title})`,
  }))
}

function fileLayers(
  { file: { settings } }: Predecessor,
  { name, tree, environment }: NonNullable<Recognised['file']> & Pick<Surroundings, 'environment'>,
  report: Report,
): readonly Layer[] {
  mentionUnknown({ name, tree, known: Object.keys(settings), pointer: '' }, report)
  return Object.entries(settings).flatMap(([from, setting]) => {
    const value = pointerNames(from).reduce<unknown>((at, part) => (isTree(at) ? at[part] : undefined), tree)
    const place = `${name}: ${showPointer(from)}`
    const isReplaced = setting.variable !== undefined && environment.read(setting.variable) !== undefined
    if (isReplaced) return []
    if (value === undefined || value === null || value === '') {
      if ('isRequired' in setting && setting.isRequired) report.problem(place, 'is missing')
      return []
    }
    if ('noEffect' in setting) {
      report.notice(`${place} has no effect here: ${setting.noEffect}`)
      return []
    }
    const hasParts = typeof value === 'object'
    return setting.translate(value).map(([to, translated]) => ({
      tree: treeOf(to, translated),
      place: (at) => (hasParts ? `${name}: ${showPointer(from + at.slice(to.length))}` : place),
    }))
  })
}

interface UnknownCheck {
  readonly name: string
  readonly tree: SettingsTree
  readonly known: readonly string[]
  readonly pointer: string
}

function mentionUnknown({ name, tree, known, pointer }: UnknownCheck, report: Report): void {
  for (const [part, value] of Object.entries(tree)) {
    const at = `${pointer}/${part}`
    if (known.includes(at)) continue
    if (isTree(value) && known.some((each) => each.startsWith(`${at}/`))) {
      mentionUnknown({ name, tree: value, known, pointer: at }, report)
      continue
    }
    report.notice(`${name}: ${/^[A-Za-z_]\w{0,31}$/.test(part) ? showPointer(at) : 'a setting'} has no effect here`)
  }
}

function environmentLayers(
  predecessor: Predecessor,
  surroundings: Surroundings & { readonly clashes: ReadonlySet<string> },
  report: Report,
): readonly Layer[] {
  const { environment, clashes } = surroundings
  return Object.entries(predecessor.environment).flatMap(([name, setting]) => {
    const value = environment.read(name)
    if (value === undefined || clashes.has(name)) return []
    if ('noEffect' in setting) {
      report.notice(`${environment.place(name)} has no effect here: ${setting.noEffect}`)
      return []
    }
    const fault = 'fault' in setting ? setting.fault?.(value) : undefined
    if (typeof fault === 'string') {
      report.problem(environment.place(name), fault)
      return []
    }
    return translateValue(value, setting, surroundings)
      .filter(([, translated]) => translated !== undefined)
      .map(([to, translated]) => ({ tree: treeOf(to, translated), place: () => environment.place(name) }))
  })
}

function translateValue(
  value: string,
  setting: Exclude<PredecessorSetting, { noEffect: string }>,
  surroundings: Surroundings,
): readonly Assignment[] {
  const { unit } = setting
  const withUnit = unit !== undefined && bareNumber.test(value) ? `${value}${unit}` : value
  if ('translate' in setting) return setting.translate(withUnit)
  const { to, read } = setting
  return [[to, read === undefined || withUnit !== value ? withUnit : read(value, surroundings)]]
}

/** What stands before `/chat/completions` if a path is left; else the endpoint itself, since a bare host would get `/v1`. */
function chatEndpoint(url: unknown): Assignment {
  const base =
    typeof url === 'string' ? /^(https?:\/\/[^/?#]+\/[^?#]*[^/?#])\/+chat\/completions\/?$/.exec(url)?.[1] : undefined
  if (base !== undefined) return ['/providers/api_proxy/base_url', base]
  return ['/providers/api_proxy/chat_url', url]
}

function redirects(value: unknown): unknown {
  if (!isTree(value)) return value
  return Object.fromEntries(
    Object.entries(value).map(([model, target]) => [
      model,
      typeof target === 'string' ? `api_proxy/${target}` : target,
    ]),
  )
}

function isTrue(value: string | undefined): boolean {
  return value?.toLowerCase() === 'true'
}

function retriesToAttempts(value: string): unknown {
  return bareNumber.test(value) ? Number(value) + 1 : value
}
