/** `any2api keys list|new|revoke`: client keys kept in the data directory. Works beside a running gateway, which notices. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { createStoredKey, generateKeyName, generateSecret } from '../config/generate-key.ts'
import type { Limits } from '../domain.ts'
import { databaseFileName, openDatabase, type StoreDatabase } from '../stores/database.ts'
import { StoreError } from '../stores/store-error.ts'
import { defaultStoreLimits } from '../stores/store-options.ts'
import { readLimitFlags, showLimits } from './limit-flags.ts'
import { loadSettings } from './load-settings.ts'
import { type Flags, formatTable, type Terminal } from './terminal.ts'

export async function keys(terminal: Terminal, flags: Flags, words: readonly string[]): Promise<number> {
  const [action = 'list', named] = words
  const name = flags.name ?? named
  if (!['list', 'new', 'revoke'].includes(action)) {
    terminal.printError(`any2api: keys ${action}: expected list, new or revoke\n`)
    return 2
  }
  if (action === 'revoke' && name === undefined) {
    terminal.printError('any2api: keys revoke: which one? `any2api keys list` shows the names\n')
    return 2
  }
  const read = readLimitFlags(flags)
  if ('fault' in read) {
    terminal.printError(`any2api: ${read.fault}\n`)
    return 2
  }
  const { limits } = read
  const { effective } = loadSettings(terminal, flags)
  const directory = String(
    (effective.store as { directory?: unknown } | undefined)?.directory ?? join(terminal.cwd, 'data'),
  )
  const path = join(directory, databaseFileName)
  if (action !== 'new' && !existsSync(path)) {
    terminal.printError(`any2api: there is no database in ${directory} yet; --data-dir names another directory\n`)
    return 1
  }
  try {
    const database = openDatabase(path, { ...defaultStoreLimits, role: 'tool', timezone: 'UTC' })
    try {
      return act({ terminal, flags, database, action, name, limits })
    } finally {
      database.close()
    }
  } catch (error) {
    if (!(error instanceof StoreError)) throw error
    terminal.printError(`any2api: ${error.message}\n`)
    return 1
  }
}

interface KeyAction {
  readonly terminal: Terminal
  readonly flags: Flags
  readonly database: StoreDatabase
  readonly action: string
  readonly name: string | undefined
  readonly limits: Limits
}

function act({ terminal, flags, database, action, name, limits }: KeyAction): number {
  if (action === 'list') {
    const rows = database
      .keys()
      .map((key) => [
        key.name,
        key.role,
        key.label,
        key.models === null ? 'all' : key.models.join(' '),
        key.isStateful === true ? 'yes' : 'no',
        new Date(key.createdAt).toISOString().slice(0, 16).replace('T', ' '),
        showLimits(key.limits),
      ])
    terminal.print(
      `${formatTable([['NAME', 'ROLE', 'KEY', 'MODELS', 'STATEFUL', 'CREATED (UTC)', 'LIMITS'], ...rows])}\n`,
    )
    return 0
  }
  if (action === 'revoke') {
    const isRevoked = database.revokeKey(name ?? '')
    if (isRevoked) terminal.print(`revoked ${name}; a running gateway refuses it within a second or two\n`)
    else terminal.printError(`any2api: there is no key named ${name}; \`any2api keys list\` shows the names\n`)
    return isRevoked ? 0 : 1
  }
  const secret = generateSecret('client')
  const models = flags.models === undefined ? null : flags.models.split(',').map((pattern) => pattern.trim())
  const key = createStoredKey('client', secret, {
    name: name ?? generateKeyName(),
    models,
    limits,
    isStateful: flags.stateful ?? null,
  })
  database.addKey(key)
  terminal.printError(`client key ${key.name}, shown this once:\n`)
  terminal.print(`${secret}\n`)
  return 0
}
