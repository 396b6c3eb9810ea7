/** Makes hashed client keys and the admin key from what was written; the secrets themselves go no further. */
import type { AccessConfig, ClientKey, Limits } from '../domain.ts'
import type { BuildContext } from './build-config.ts'
import { buildLimits } from './build-limits.ts'
import { checkSecret } from './check-secret.ts'
import { hashSecret, maskSecret } from './credential.ts'
import type { ClientKeySettings, Settings } from './schema.ts'

export function buildAccess(access: Settings['access'], context: BuildContext): AccessConfig {
  const clientKeys = buildClientKeys(access.client_keys, context)
  const adminKeyHash = access.admin_key === undefined ? null : hashAdminKey(access.admin_key, clientKeys, context)
  if (access.anonymous)
    context.report.notice('access.anonymous: everybody who reaches this server may use /v1 without a key')
  const defaultLimits = buildLimits(access.default_limits)
  noticeIdleLimits(defaultLimits, clientKeys, context)
  return {
    adminKeyHash,
    isAnonymousAllowed: access.anonymous,
    areModelsPublic: access.public_models,
    defaultLimits,
    clientKeys,
  }
}

/** What shapes another limit does nothing where that limit is given nowhere. */
function noticeIdleLimits(
  defaultLimits: Limits,
  clientKeys: readonly ClientKey[],
  { report, isGiven, placeOf }: BuildContext,
): void {
  const all = [defaultLimits, ...clientKeys.map(({ limits }) => limits)]
  for (const [shape, shaped, isShaped] of [
    ['burst', 'rps', all.some((limits) => limits.requestsPerSecond !== null)],
    ['budget_period', 'budget_usd', all.some((limits) => limits.budgetMicroUsd !== null)],
  ] as const) {
    const at = `/access/default_limits/${shape}`
    if (!isShaped && isGiven(at)) report.notice(`${placeOf(at)} does nothing without ${shaped}`)
  }
}

/** Shorter ones are accepted, because users of other programs have them, but can be guessed. */
const leastGoodLength = 16

function buildClientKeys(written: Settings['access']['client_keys'], context: BuildContext): readonly ClientKey[] {
  const names = new Set<string>()
  const hashes = new Set<string>()
  const keys: (ClientKey | null)[] = written.map(() => null)

  function add(index: number, settings: ClientKeySettings, name: string): void {
    const at = `/access/client_keys/${index}`
    const secret = acceptSecret({ written: settings.key, pointer: at, name: `client key ${name}` }, context)
    if (secret === null) return
    const hash = hashSecret(secret)
    if (hashes.has(hash)) {
      const isBare = typeof written[index] === 'string'
      if (isBare) context.report.notice(`${context.placeOf(at)}: a client key that is given twice counts once`)
      else context.refuse(at, 'the same key is given twice')
      return
    }
    hashes.add(hash)
    names.add(name)
    keys[index] = {
      name,
      hash,
      label: maskSecret(secret),
      models: settings.models ?? null,
      limits: buildLimits(settings),
      isStateful: settings.stateful ?? null,
    }
  }

  // Named ones first: of a key that is also given bare, the one that says more counts, and no number takes its name.
  for (const [index, each] of written.entries()) {
    if (typeof each === 'string' || each.name === undefined) continue
    if (names.has(each.name))
      context.refuse(`/access/client_keys/${index}/name`, 'another client key has the same name')
    else add(index, each, each.name)
  }
  let number = 0
  for (const [index, each] of written.entries()) {
    if (typeof each !== 'string' && each.name !== undefined) continue
    number++
    while (names.has(`client-${number}`)) number++
    add(index, typeof each === 'string' ? { key: each } : each, `client-${number}`)
  }
  return keys.filter((key) => key !== null)
}

function hashAdminKey(written: string, clientKeys: readonly ClientKey[], context: BuildContext): string | null {
  const secret = acceptSecret({ written, pointer: '/access/admin_key', name: 'the admin key' }, context)
  if (secret === null) return null
  const hash = hashSecret(secret)
  if (clientKeys.some((key) => key.hash === hash)) {
    context.refuse('/access/admin_key', 'must not be the same as a client key')
  }
  return hash
}

function acceptSecret(
  { written, pointer, name }: { readonly written: string; readonly pointer: string; readonly name: string },
  { refuse, report }: BuildContext,
): string | null {
  const { secret, fault } = checkSecret(written)
  if (fault !== null) {
    refuse(pointer, fault)
    return null
  }
  if (secret.length < leastGoodLength) {
    report.notice(`${name} is shorter than ${leastGoodLength} characters and can be guessed; use a longer one`)
  }
  return secret
}
