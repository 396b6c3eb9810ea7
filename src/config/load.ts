/** Reads everything the operator wrote, wherever it stands, and makes one configuration of it, or all problems at once. */
import { dirname, extname, join, resolve } from 'node:path'
import type { Config } from '../domain.ts'
import { isBypassEntry } from '../providers/bypass.ts'
import { type BuildContext, buildConfig } from './build-config.ts'
import { describeConfig, type EffectiveSettings } from './describe-config.ts'
import { type Environment, readEnvironment, splitList } from './environment.ts'
import { translatePredecessors } from './predecessors.ts'
import { parseSettingsFile, substituteEnvironment } from './read-settings-file.ts'
import { type ReadFile, readTextFile } from './read-text-file.ts'
import { createReport, type Problem, type Report } from './report.ts'
import {
  childPointer,
  isTree,
  type Layer,
  type MergedSettings,
  mergeLayers,
  type SettingsTree,
  showPointer,
  treeOf,
} from './settings-tree.ts'
import { showPath } from './show-path.ts'
import { validateSettings } from './validate-settings.ts'

/** Never throws for what the operator wrote. Flags win over the environment, that over `.env`, that over the file. */
export function loadConfig(sources: ConfigSources): LoadResult {
  const report = createReport()
  const environment = readEnvironment(sources, report)
  const file = readConfigFile(sources, environment, report)
  const inherited = translatePredecessors({ ...sources, environment, hasOwnFile: file.isFound }, report)
  const merged = mergeLayers([
    ...inherited.defaults,
    ...inherited.files,
    file.layer,
    ...inherited.environment,
    ...ownEnvironmentLayers(environment),
    ...flagLayers(sources.flags),
  ])
  if (inherited.names.length === 0) refuseEmptiness(file, merged.tree, report)
  const config = checkSettings(merged, { sources, environment, folder: file.folder }, report)
  return {
    config: report.problems.length === 0 ? deepFreeze(config) : null,
    problems: report.problems,
    notices: report.notices,
    files: [...report.files],
    configFile: file.isFound ? file.path : null,
    effective: describeConfig(config),
    adminKey: () => writtenAdminKey(merged.tree),
  }
}

function writtenAdminKey({ access }: SettingsTree): string | null {
  const key = isTree(access) ? access.admin_key : undefined
  return typeof key === 'string' && key.trim() !== '' ? key.trim() : null
}

export interface ConfigSources {
  /** Absolute. */
  readonly cwd: string
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly flags: ConfigFlags
  readonly readFile: ReadFile
}

/** Of the command line. */
export interface ConfigFlags {
  readonly config?: string | undefined
  readonly host?: string | undefined
  readonly port?: string | undefined
  readonly dataDir?: string | undefined
}

export interface LoadResult {
  /** Frozen; null when there are problems. */
  readonly config: Config | null
  readonly problems: readonly Problem[]
  /** Lines for the log. */
  readonly notices: readonly string[]
  /** Absolute paths to watch, of files that need not exist. */
  readonly files: readonly string[]
  /** Absolute path of any2api's own file; null: there is none. */
  readonly configFile: string | null
  /** In the file's words, secrets masked. With problems: what would hold without the refused values. */
  readonly effective: EffectiveSettings
  /** For commands that call the running gateway. A function, so that nothing prints it by accident. */
  readonly adminKey: () => string | null
}

const fileNames: readonly [string, ...string[]] = [
  'any2api.yaml',
  'any2api.yml',
  'any2api.json',
  'any2api.jsonc',
  'any2api.toml',
]
const systemFolder = '/etc/any2api'

interface ConfigFile {
  readonly isFound: boolean
  /** It cannot be read or understood. */
  readonly isBroken: boolean
  readonly path: string
  readonly folder: string
  readonly layer: Layer
}

function readConfigFile(sources: ConfigSources, environment: Environment, report: Report): ConfigFile {
  const { cwd, readFile, flags } = sources
  const named = flags.config ?? environment.read('ANY2API_CONFIG')
  const candidates = [cwd, systemFolder].flatMap((folder) => fileNames.map((name) => join(folder, name)))
  const paths = named === undefined ? candidates : [resolve(cwd, named)]
  const found = paths
    .map((path) => ({ path, file: readTextFile(readFile, path) }))
    .find(({ file }) => named !== undefined || !file.isMissing)
  if (found === undefined)
    return { isFound: false, isBroken: false, path: '', folder: cwd, layer: { tree: {}, place: showPointer } }

  const { path, file } = found
  const shown = named ?? showPath(cwd, path)
  report.watch(path)
  if (file.text === null) {
    const place = flags.config === undefined ? environment.place('ANY2API_CONFIG') : '--config'
    report.problem(named === undefined ? shown : place, `${shown} cannot be read: ${file.fault}`)
  }
  const place = (pointer: string) => (pointer === '' ? shown : `${shown}: ${showPointer(pointer)}`)
  const parsed =
    file.text === null ? null : parseSettingsFile({ name: shown, ending: extname(path), text: file.text }, report)
  const tree = substituteEnvironment(parsed ?? {}, {
    lookUp: environment.lookUp,
    refuse: (pointer, message) => report.problem(place(pointer), message),
  })
  return { isFound: true, isBroken: parsed === null, path, folder: dirname(path), layer: { tree, place } }
}

/** Our own names, and where their values belong. */
const ownEnvironment: Readonly<Record<string, { to: string; read?: (value: string) => unknown }>> = {
  HOST: { to: '/server/host' },
  PORT: { to: '/server/port' },
  ADMIN_KEY: { to: '/access/admin_key' },
  CLIENT_KEYS: { to: '/access/client_keys', read: splitList },
  ALLOW_ANONYMOUS: { to: '/access/anonymous' },
  LOG_LEVEL: { to: '/log/level' },
  LOG_FORMAT: { to: '/log/format' },
  LOG_PATH: { to: '/log/path' },
}

function ownEnvironmentLayers(environment: Environment): readonly Layer[] {
  return Object.entries(ownEnvironment).flatMap(([name, { to, read }]) => {
    const value = environment.read(name)
    if (value === undefined) return []
    return [{ tree: treeOf(to, read ? read(value) : value), place: () => environment.place(name) }]
  })
}

function flagLayers({ host, port }: ConfigFlags): readonly Layer[] {
  return [
    { tree: { server: { host } }, place: () => '--host' },
    { tree: { server: { port } }, place: () => '--port' },
  ]
}

interface CheckContext {
  readonly sources: ConfigSources
  readonly environment: Environment
  readonly folder: string
}

function checkSettings({ tree, placeOf }: MergedSettings, context: CheckContext, report: Report): Config {
  const { sources, environment, folder } = context
  const refuse = (pointer: string, message: string) => report.problem(placeOf(pointer), message)
  respellLog(tree)
  const given = new Set(listPointers(tree))
  const providerNames = isTree(tree.providers) ? Object.keys(tree.providers) : []
  const { settings, refused } = validateSettings(tree, refuse)
  const build: BuildContext = {
    cwd: sources.cwd,
    folder,
    dataDirectory: chooseDataDirectory(sources, environment),
    readFile: sources.readFile,
    report,
    refuse,
    placeOf,
    isGiven: (pointer) => given.has(pointer) && !refused.has(pointer),
    isRefused: (pointer) => refused.has(pointer),
    noProxy: readNoProxy(environment),
    providerNames,
  }
  return buildConfig(settings, build)
}

/** Separated by commas or blanks. That of the environment is for many programs: what we do not understand is left out. */
function readNoProxy(environment: Environment): readonly string[] {
  const written = environment.read('NO_PROXY') ?? environment.read('no_proxy') ?? ''
  return written.split(/[\s,]+/).filter(isBypassEntry)
}

/** Levels and formats as other programs spell them. */
function respellLog({ log }: SettingsTree): void {
  if (!isTree(log)) return
  if (typeof log.level === 'string') {
    const level = log.level.trim().toLowerCase()
    log.level = levelSpellings[level] ?? level
  }
  if (typeof log.format === 'string') {
    // A format string of Python's logging asks for readable text.
    log.format = log.format.includes('%(') ? 'text' : log.format.trim().toLowerCase()
  }
}

const levelSpellings: Readonly<Record<string, string>> = {
  trace: 'debug',
  warning: 'warn',
  critical: 'error',
  fatal: 'error',
}

function listPointers(tree: SettingsTree, under = ''): readonly string[] {
  return Object.entries(tree).flatMap(([name, value]) => {
    const pointer = childPointer(under, name)
    return isTree(value) ? [pointer, ...listPointers(value, pointer)] : [pointer]
  })
}

function chooseDataDirectory({ cwd, flags }: ConfigSources, environment: Environment): BuildContext['dataDirectory'] {
  // systemd may give several, separated by colons.
  const ofSystemd = environment.read('STATE_DIRECTORY')?.split(':')[0]
  const named = flags.dataDir ?? environment.read('DATA_DIR') ?? ofSystemd
  return { directory: resolve(cwd, named ?? 'data'), isDirectoryNamed: named !== undefined }
}

const shortestExample = 'providers: { openai: { base_url: "https://api.openai.com/v1", keys_file: keys.txt } }'

function refuseEmptiness(file: ConfigFile, tree: SettingsTree, report: Report): void {
  const isWritten = isTree(tree.providers) ? Object.keys(tree.providers).length > 0 : tree.providers !== undefined
  if (isWritten || file.isBroken) return
  const place = file.isFound ? file.layer.place('/providers') : fileNames[0]
  report.problem(place, `no provider is configured; the shortest ${fileNames[0]} is: ${shortestExample}`)
}

/** Everything in it is plain objects and lists; a credential's function cannot be changed anyway. */
function deepFreeze<Value>(value: Value): Value {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value
  for (const inner of Object.values(value)) deepFreeze(inner)
  return Object.freeze(value)
}
