/** Gathers the credentials of one provider from its settings and keys files. */
import { resolve } from 'node:path'
import type { Credential } from '../domain.ts'
import type { BuildContext } from './build-config.ts'
import { checkCookie } from './check-cookie.ts'
import { createAccount, createAnonymous, createCookie, createCredential } from './credential.ts'
import { describeKeys, type ReadKeys, readKeys, splitLines } from './read-keys.ts'
import { readTextFile } from './read-text-file.ts'
import type { AccountSettings, OndemandProviderSettings, OpenAiProviderSettings, ProviderSettings } from './schema.ts'
import { showPath } from './show-path.ts'

/** None are given: a single one with an empty secret, for local upstreams that ask for none; OnDemand always asks. */
export function buildCredentials(
  provider: ProviderPlace,
  written: ProviderSettings,
  context: BuildContext,
): readonly Credential[] {
  const { name, pointer } = provider
  if (written.type === 'scira') return buildCookies(provider, written.cookies, context)
  const accounts = written.type === 'ondemand' ? written.accounts : undefined
  const isRefused = ['keys', 'keys_file', 'accounts', 'type'].some((each) => context.isRefused(`${pointer}/${each}`))
  if (written.keys === undefined && written.keys_file === undefined && accounts === undefined) {
    if (written.type === 'ondemand') {
      if (!isRefused && !context.isRefused(pointer)) context.refuse(pointer, 'needs keys, keys_file or accounts')
      return []
    }
    if (!isRefused) context.report.notice(`provider ${name} has neither keys nor keys_file: it is called without a key`)
    return [createCredential(written.type, '')]
  }
  return [
    ...buildKeys(pointer, written, context),
    ...(accounts === undefined ? [] : buildAccounts(provider, accounts, context)),
  ]
}

interface ProviderPlace {
  readonly name: string
  readonly pointer: string
}

function buildKeys(
  pointer: string,
  { type, keys, keys_file }: Pick<OpenAiProviderSettings | OndemandProviderSettings, 'type' | 'keys' | 'keys_file'>,
  context: BuildContext,
): readonly Credential[] {
  const { refuse, report } = context
  const isRefused = [`${pointer}/keys`, `${pointer}/keys_file`].some(context.isRefused)
  const seen = new Set<string>()
  const lists: ReadKeys[] = []
  if (keys !== undefined) {
    const read = readKeys(keys, seen)
    lists.push(read)
    for (const { index, fault } of read.faults) refuse(`${pointer}/keys/${index}`, `a key ${fault}`)
    if (read.secrets.length < keys.length) report.notice(`${context.placeOf(`${pointer}/keys`)}: ${describeKeys(read)}`)
  }
  for (const file of filesOf(keys_file)) {
    const read = readKeysFile(file, { pointer, seen }, context)
    if (read !== null) lists.push(read)
  }

  const isFaulty = isRefused || lists.some(({ faults }) => faults.length > 0)
  if (seen.size === 0 && !isFaulty && lists.length > 0) {
    const where = keys === undefined ? `${pointer}/keys_file` : `${pointer}/keys`
    const advice = type === 'openai' ? 'for an upstream that asks for none' : 'where there are only accounts'
    refuse(where, `gives no keys; leave out keys and keys_file ${advice}`)
  }
  return [...seen].map((secret) => createCredential(type, secret))
}

/** None are given: a single credential without a secret. */
function buildCookies(
  { name, pointer }: ProviderPlace,
  cookies: readonly string[] | undefined,
  { refuse, report, isRefused }: BuildContext,
): readonly Credential[] {
  const at = `${pointer}/cookies`
  if (cookies === undefined) {
    if (!isRefused(at)) report.notice(`provider ${name} has no cookies: it is called signed out`)
    return [createAnonymous('scira')]
  }
  const byId = new Map<string, Credential>()
  let isFaulty = isRefused(at)
  for (const [index, written] of cookies.entries()) {
    const { header, fault } = checkCookie(written)
    if (fault !== null) {
      refuse(`${at}/${index}`, `a cookie ${fault}`)
      isFaulty = true
      continue
    }
    const cookie = createCookie('scira', header)
    if (byId.has(cookie.id)) report.notice(`provider ${name}: cookie ${cookie.label} is given twice and counts once`)
    byId.set(cookie.id, cookie)
  }
  if (byId.size === 0 && !isFaulty) refuse(at, 'names no cookie; leave it out for calls that are not signed in')
  return [...byId.values()]
}

function buildAccounts(
  provider: ProviderPlace,
  accounts: readonly AccountSettings[],
  { refuse, report, isRefused }: BuildContext,
): readonly Credential[] {
  const pointer = `${provider.pointer}/accounts`
  const isFaulty = isRefused(pointer) || isRefused(`${pointer}/0`)
  if (accounts.length === 0 && !isFaulty) refuse(pointer, 'names no account')
  const byUser = new Map<string, Credential>()
  for (const [index, { email, password }] of accounts.entries()) {
    const user = email.trim()
    // The two travel joined by a colon, so that an address with one would become another address.
    if (!/^[^\s:@]+@[^\s:@]+$/.test(user)) {
      refuse(`${pointer}/${index}/email`, 'must be an e-mail address, such as a@example.com')
      continue
    }
    const known = byUser.get(user.toLowerCase())
    if (known === undefined) byUser.set(user.toLowerCase(), createAccount('ondemand', user, password))
    else if (known.reveal() === password)
      report.notice(`provider ${provider.name}: account ${known.label} is given twice and counts once`)
    else refuse(`${pointer}/${index}`, 'the same account is given with another password before')
  }
  return toldApart([...byUser.values()])
}

/** Accounts that are masked alike get their fingerprint beside, so that logs and statistics know one from another. */
function toldApart(accounts: readonly Credential[]): readonly Credential[] {
  const times = new Map<string, number>()
  for (const { label } of accounts) times.set(label, (times.get(label) ?? 0) + 1)
  return accounts.map((account) =>
    (times.get(account.label) ?? 0) < 2
      ? account
      : Object.freeze({ ...account, label: `${account.label} ${account.id.slice(0, 8)}` }),
  )
}

function filesOf(written: string | readonly string[] | undefined): readonly string[] {
  if (written === undefined) return []
  return typeof written === 'string' ? [written] : written
}

/** A file of another kind would give a fault for each of its lines. */
const maxFaultsToName = 10

function readKeysFile(
  file: string,
  { pointer, seen }: { readonly pointer: string; readonly seen: Set<string> },
  context: BuildContext,
): ReadKeys | null {
  const { folder, cwd, report } = context
  const path = resolve(folder, file)
  const shown = showPath(cwd, path)
  report.watch(path)
  const { text, fault } = readTextFile(context.readFile, path)
  if (text === null) {
    context.refuse(`${pointer}/keys_file`, `${shown} cannot be read: ${fault}`)
    return null
  }
  const read = readKeys(splitLines(text), seen)
  for (const { index, fault } of read.faults.slice(0, maxFaultsToName)) {
    report.problem(`${shown} line ${index + 1}`, `the key ${fault}`)
  }
  const unnamed = read.faults.length - maxFaultsToName
  if (unnamed > 0) report.problem(shown, `${unnamed} more lines are not valid keys`)
  report.notice(`${shown}: ${describeKeys(read)}`)
  return read
}
