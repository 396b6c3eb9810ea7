/** The accounts of a simulated OnDemand service: passwords, tokens that expire, refreshing; not how the answers are sent. */
import { type Behaviour, type BehaviourMemory, createBehaviourMemory } from './behaviours.ts'

export function createAccounts(): Accounts {
  const accounts = new Map<string, AccountState>()
  const tokens = new Map<string, IssuedToken>()
  let tokenCount = 0

  function issue(account: AccountState, nowMs: number): IssuedToken {
    const { script } = account
    const { lifetimeMs, claimedLifetimeMs, uses } = script.token ?? {}
    tokenCount += 1
    const claimedUntilMs = nowMs + (claimedLifetimeMs ?? lifetimeMs ?? USUAL_LIFETIME_MS)
    const token: IssuedToken = {
      email: account.email,
      text:
        script.token?.form === 'opaque'
          ? `opaque-simulated-token-${tokenCount}`
          : webToken(account, { number: tokenCount, nowMs, untilMs: claimedUntilMs }),
      refreshText: `simulated-refresh-${tokenCount}`,
      expiresAtMs: lifetimeMs === undefined ? Number.POSITIVE_INFINITY : nowMs + lifetimeMs,
      usesLeft: uses ?? Number.POSITIVE_INFINITY,
      canRefresh: true,
    }
    if (script.token?.isOneAtATime === true) expire(account.email)
    tokens.set(token.text, token)
    if (tokens.size > MAX_TOKENS) tokens.delete(tokens.keys().next().value ?? '')
    return token
  }

  function expire(email: string): void {
    for (const token of tokens.values()) if (token.email === email) token.usesLeft = 0
  }

  return {
    set(email, script) {
      const facts = accounts.get(email)?.facts ?? { signIns: 0, rejectedSignIns: 0, refreshes: 0, rejectedRefreshes: 0 }
      accounts.set(email, {
        email,
        script,
        userId: script.userId ?? `user-${Bun.hash(email).toString(16)}`,
        companyId: script.companyId ?? `company-${Bun.hash(email).toString(16)}`,
        facts,
        calls: createBehaviourMemory(script.behaviour ?? { kind: 'good' }, null),
        signIn: createBehaviourMemory(script.signIn ?? { kind: 'good' }, ['sign_in']),
        refresh: createBehaviourMemory(script.refresh ?? { kind: 'good' }, ['refresh']),
      })
    },
    remove: (email) => void accounts.delete(email),
    get: (email) => accounts.get(email) ?? null,
    ownerOf: (token) => tokens.get(token)?.email ?? null,
    ownerOfRefresh(token, refreshToken) {
      const named = tokens.get(token)
      if (named !== undefined) return named.email
      for (const each of tokens.values()) if (each.refreshText === refreshToken) return each.email
      return null
    },
    use(token, nowMs) {
      const issued = tokens.get(token)
      const account = issued === undefined ? undefined : accounts.get(issued.email)
      if (issued === undefined || account === undefined) return null
      if (issued.usesLeft <= 0 || nowMs >= issued.expiresAtMs) return null
      issued.usesLeft -= 1
      return account
    },
    signIn: (account, nowMs) => signInBody(account, issue(account, nowMs)),
    renew(account, offered, nowMs) {
      const old = tokens.get(offered.token)
      const isKnown = old?.email === account.email && old.refreshText === offered.refreshToken && old.canRefresh
      if (!isKnown) return null
      const fresh = issue(account, nowMs)
      if (account.script.token?.isRefreshTokenKept !== true) {
        old.canRefresh = false
        return { data: { token: fresh.text, refreshToken: fresh.refreshText } }
      }
      tokens.set(fresh.text, { ...fresh, refreshText: old.refreshText })
      return { data: { token: fresh.text } }
    },
    expire,
    clearFacts() {
      for (const { facts } of accounts.values()) {
        Object.assign(facts, { signIns: 0, rejectedSignIns: 0, refreshes: 0, rejectedRefreshes: 0 })
      }
    },
  }
}

/** How one account behaves. */
export interface AccountScript {
  readonly password: string
  /** Of the calls with its token. */
  readonly behaviour?: Behaviour
  /** Of signing in, whatever the kind: locked, slow (`headDelayMs`), hanging, failing for some time. */
  readonly signIn?: Behaviour
  /** Of refreshing its token; `revoked` refuses it. */
  readonly refresh?: Behaviour
  readonly token?: TokenScript
  /** What the answer to a sign-in leaves out. */
  readonly missing?: readonly ('token' | 'refreshToken' | 'userId' | 'companyId')[]
  /** Default made from the e-mail address. */
  readonly userId?: string
  readonly companyId?: string
}

export interface TokenScript {
  /** After so many uses or so long it is refused with 401; default never. */
  readonly uses?: number
  readonly lifetimeMs?: number
  /** What the `exp` claim says, if not the truth; default one hour where the token does not expire. */
  readonly claimedLifetimeMs?: number
  /** Whether it looks like a JSON web token; default `jwt`. The real form is recorded nowhere. */
  readonly form?: 'jwt' | 'opaque'
  /** Whether refreshing gives no new refresh token, so that the old one stays good; otherwise the old one is spent. */
  readonly isRefreshTokenKept?: boolean
  /** Whether a new token ends the earlier ones. */
  readonly isOneAtATime?: boolean
}

export interface Accounts {
  /** Tokens that were issued stay good. */
  readonly set: (email: string, script: AccountScript) => void
  readonly remove: (email: string) => void
  readonly get: (email: string) => AccountState | null
  /** Whose token it is or was. */
  readonly ownerOf: (token: string) => string | null
  readonly ownerOfRefresh: (token: string, refreshToken: string) => string | null
  /** Spends one use. Null when the token is unknown or expired. */
  readonly use: (token: string, nowMs: number) => AccountState | null
  /** The body of the answer to a sign-in. */
  readonly signIn: (account: AccountState, nowMs: number) => unknown
  /** The body of the answer to a refresh; null when the pair is not one that was issued. */
  readonly renew: (
    account: AccountState,
    offered: { readonly token: string; readonly refreshToken: string },
    nowMs: number,
  ) => unknown
  /** Ends all tokens of the account; they can still be refreshed. */
  readonly expire: (email: string) => void
  readonly clearFacts: () => void
}

export interface AccountState {
  readonly email: string
  readonly script: AccountScript
  readonly userId: string
  readonly companyId: string
  readonly facts: AccountFacts
  readonly calls: BehaviourMemory
  readonly signIn: BehaviourMemory
  readonly refresh: BehaviourMemory
}

export interface AccountFacts {
  /** All that came, however they were answered. */
  signIns: number
  /** For the password, or because the account is told so. */
  rejectedSignIns: number
  refreshes: number
  rejectedRefreshes: number
}

interface IssuedToken {
  readonly email: string
  readonly text: string
  readonly refreshText: string
  readonly expiresAtMs: number
  usesLeft: number
  canRefresh: boolean
}

const MAX_TOKENS = 10_000
const USUAL_LIFETIME_MS = 3_600_000

interface WebTokenFacts {
  readonly number: number
  readonly nowMs: number
  readonly untilMs: number
}

function webToken(account: AccountState, facts: WebTokenFacts): string {
  const claims = {
    userId: account.userId,
    companyId: account.companyId,
    iat: Math.floor(facts.nowMs / 1_000),
    exp: Math.floor(facts.untilMs / 1_000),
    jti: String(facts.number),
  }
  const encoded = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
  return `${encoded({ alg: 'HS256', typ: 'JWT' })}.${encoded(claims)}.${encoded('simulated signature')}`
}

/** In the form that clients of the web application read; undocumented. */
function signInBody(account: AccountState, token: IssuedToken): unknown {
  const missing = new Set(account.script.missing ?? [])
  return {
    message: 'User signed in successfully',
    data: {
      tokenData: {
        ...(missing.has('token') ? {} : { token: token.text }),
        ...(missing.has('refreshToken') ? {} : { refreshToken: token.refreshText }),
      },
      user: {
        ...(missing.has('userId') ? {} : { userId: account.userId }),
        email: account.email,
        ...(missing.has('companyId') ? {} : { default_company_id: account.companyId }),
      },
    },
  }
}
