/**
 * Accounts: from an e-mail and a password to a token, kept in memory, renewed when it must be. At most one sign-in or refresh at a time and
 * account, whoever asks; a rejected one is not repeated at once, since nobody knows what would happen to the account.
 *
 * Nothing of this is documented by OnDemand; it is what clients that sign in do: https://github.com/CrisRain/OnDemand-API-Proxy.
 */
import type { Clock } from '../../clock.ts'
import type { Credential, OndemandProviderConfig } from '../../domain.ts'
import { UpstreamError } from '../../errors.ts'
import type { StopSignal } from '../../stop-signal.ts'
import type { AnswerHeaders } from '../upstream-response.ts'
import { classifyRefusal } from './errors.ts'
import { raced, type SendRequest } from './send-request.ts'

export interface Token {
  /** Bearer token of every call. */
  readonly token: string
  readonly refreshToken: string
  readonly userId: string
  readonly companyId: string
  /** Unix milliseconds at which it should be renewed; null when it does not say how long it lives. */
  readonly renewAt: number | null
}

export interface SignIn {
  /** A token that is not about to expire. Throws UpstreamError. */
  token(credential: Credential, signal: StopSignal): Promise<Token>
  /** After a 401: another token than `used`, by `refresh` where that is possible, or signed in `anew`. */
  renewed(credential: Credential, used: Token, wish: { how: 'refresh' | 'anew'; signal: StopSignal }): Promise<Token>
  /** A sign-in of our own. False: rejected. Throws when it cannot be told. */
  check(credential: Credential, signal: StopSignal): Promise<boolean>
  /** What is known now, without asking anybody. */
  known(credential: Credential): Token | null
}

/** By account; it outlives the provider that a reload replaces. */
export type Accounts = Map<string, AccountState>

interface AccountState {
  token: Token | null
  underWay: Promise<Token> | null
  /** Rejected sign-ins in a row. */
  rejections: number
  /** Unix milliseconds before which no sign-in is tried. */
  restUntil: number
}

export interface SignInParts {
  readonly config: OndemandProviderConfig
  readonly accounts: Accounts
  readonly clock: Clock
  readonly send: SendRequest
  /** Ends what is under way. */
  readonly lasting: AbortSignal
}

const expiryMarginMs = 60_000
const rejectionsForLongRest = 2

export function createSignIn({ config, accounts, clock, send, lasting }: SignInParts): SignIn {
  function stateOf(credential: Credential): AccountState {
    // Another address is another service: its tokens are not for this one.
    const key = `${config.authBase}\n${credential.id}`
    const known = accounts.get(key) ?? { token: null, underWay: null, rejections: 0, restUntil: 0 }
    accounts.set(key, known)
    return known
  }

  /** Joins what is under way. It is not tied to one caller's signal: others wait for it too. */
  function shared(state: AccountState, start: () => Promise<Token>): Promise<Token> {
    state.underWay ??= start().finally(() => {
      state.underWay = null
    })
    return state.underWay
  }

  async function refreshOrSignIn(credential: Credential, state: AccountState): Promise<Token> {
    const { token } = state
    if (token !== null && token.refreshToken !== '') {
      const refreshed = await refresh(credential, token)
      if (refreshed !== null) {
        state.token = refreshed
        return refreshed
      }
    }
    return signIn(credential, state)
  }

  /** `POST {authBase}/auth/user/refresh_token`; null when that is refused or fails: a sign-in is the next thing to try. */
  async function refresh(credential: Credential, token: Token): Promise<Token | null> {
    try {
      const response = await post(config.refreshPath, {
        headers: { authorization: `Bearer ${token.token}`, 'x-company-id': token.companyId },
        body: { data: { token: token.token, refreshToken: token.refreshToken } },
      })
      if (response.status >= 300) return null
      const { data } = objectOf(response.json)
      const fields = objectOf(data)
      const nested = objectOf(fields.tokenData)
      const next = textOf(fields.token) || textOf(nested.token)
      if (next === '' || credential.user === null) return null
      const refreshToken = textOf(fields.refreshToken) || textOf(nested.refreshToken) || token.refreshToken
      return { ...token, token: next, refreshToken, renewAt: renewalOf(next, clock.now()) }
    } catch {
      return null
    }
  }

  /** `POST {authBase}/auth/user/signin` with HTTP Basic. */
  async function signIn(credential: Credential, state: AccountState): Promise<Token> {
    const restMs = state.restUntil - clock.now()
    if (restMs > 0) {
      throw new UpstreamError('invalid_credential', 'the last sign-in of this account was rejected', {
        status: 401,
        code: 'sign_in_rests',
        retryAfterMs: restMs,
      })
    }
    const pair = Buffer.from(`${credential.user ?? ''}:${credential.reveal()}`).toString('base64')
    const response = await post(config.signInPath, {
      headers: { authorization: `Basic ${pair}` },
      body: { accountType: 'default' },
    })
    if (response.status < 200 || response.status >= 300) {
      throw signInError({ credential, state, pair, response })
    }
    const token = readToken(response.json, clock.now())
    if (token === null) {
      throw new UpstreamError('server_error', 'the sign-in answered without token, user or company', {
        status: 502,
        code: 'sign_in_incomplete',
      })
    }
    state.rejections = 0
    state.restUntil = 0
    state.token = token
    return token
  }

  function signInError({ credential, state, pair, response }: FailedSignIn): UpstreamError {
    const error = classifyRefusal({
      ...response,
      secrets: [credential.reveal(), credential.user ?? '', pair],
      rateLimitRestMs: config.rateLimitRestMs,
      now: clock.now(),
    })
    // What wrong passwords, locked accounts and captchas answer is not known: any refusal counts, but not the edge's miss of a route.
    const isRejected =
      response.status >= 400 &&
      response.status < 500 &&
      !notRejections.includes(response.status) &&
      error.code !== 'route_miss'
    if (!isRejected) return error
    state.token = null
    state.rejections++
    const { waitMs, longRestMs } = config.signInRetry
    state.restUntil = clock.now() + (state.rejections >= rejectionsForLongRest ? longRestMs : waitMs)
    return new UpstreamError('invalid_credential', error.message, { status: 401, code: 'sign_in_rejected' })
  }

  function post(path: string, request: { headers: Record<string, string>; body: unknown }) {
    return send({
      method: 'POST',
      url: config.authBase + path,
      ...request,
      signal: lasting,
      deadlineMs: config.requestTimeoutMs,
      isAccount: true,
    })
  }

  return {
    token(credential, signal) {
      const state = stateOf(credential)
      const { token } = state
      const isFresh = token !== null && (token.renewAt === null || token.renewAt > clock.now())
      if (isFresh) return Promise.resolve(token)
      return raced(
        shared(state, () => refreshOrSignIn(credential, state)),
        signal,
      )
    },
    renewed(credential, used, { how, signal }) {
      const state = stateOf(credential)
      // Another call was faster.
      if (state.token !== null && state.token.token !== used.token) return Promise.resolve(state.token)
      const start = () => (how === 'refresh' ? refreshOrSignIn(credential, state) : signIn(credential, state))
      return raced(shared(state, start), signal)
    },
    async check(credential, signal) {
      const state = stateOf(credential)
      // Nothing has changed since two sign-ins of our own were rejected.
      if (state.restUntil > clock.now() && state.rejections >= rejectionsForLongRest) return false
      try {
        await raced(
          shared(state, () => signIn(credential, state)),
          signal,
        )
        return true
      } catch (cause) {
        if (cause instanceof UpstreamError && cause.code === 'sign_in_rejected') return false
        throw cause
      }
    },
    known: (credential) => stateOf(credential).token,
  }
}

interface FailedSignIn {
  readonly credential: Credential
  readonly state: AccountState
  readonly pair: string
  readonly response: { readonly status: number; readonly headers: AnswerHeaders; readonly text: string }
}

const notRejections: readonly number[] = [408, 425, 429]

/** `data.tokenData.token`, `.refreshToken`, `data.user.userId`, `data.user.default_company_id`; null when one of the needed is missing. */
function readToken(json: unknown, now: number): Token | null {
  const { data } = objectOf(json)
  const { tokenData, user } = objectOf(data)
  const token = textOf(objectOf(tokenData).token)
  const userId = textOf(objectOf(user).userId)
  const companyId = textOf(objectOf(user).default_company_id)
  if (token === '' || userId === '' || companyId === '') return null
  return {
    token,
    refreshToken: textOf(objectOf(tokenData).refreshToken),
    userId,
    companyId,
    renewAt: renewalOf(token, now),
  }
}

/**
 * A minute before the `exp` claim (RFC 7519 4.1.4) of a token that is a JWT, but not before half of its life is over: a
 * short-lived one would be renewed with every call. Null of any other token.
 */
function renewalOf(token: string, now: number): number | null {
  const [, payload] = token.split('.')
  if (payload === undefined) return null
  try {
    const { exp } = objectOf(JSON.parse(Buffer.from(payload, 'base64url').toString('utf8')))
    if (typeof exp !== 'number' || exp <= 0) return null
    return exp * 1000 - Math.min(expiryMarginMs, Math.max(exp * 1000 - now, 0) / 2)
  } catch {
    return null
  }
}

function objectOf(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : ''
}
