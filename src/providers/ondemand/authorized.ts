/**
 * A request in a credential's name. OnDemand now and then refuses a good key, forgets a token before its time and misses a route of its
 * own: this file forgives what is known to pass, once, with the same credential. All else is thrown, named.
 *
 * Keys: header `apikey`, lower case, no bearer token (https://docs.on-demand.io/docs/authentication). Accounts: bearer token and
 * `x-company-id`, as clients of the web app send them (https://github.com/CrisRain/OnDemand-API-Proxy).
 */
import type { Clock } from '../../clock.ts'
import type { Credential, OndemandProviderConfig } from '../../domain.ts'
import { UpstreamError } from '../../errors.ts'
import type { UpstreamResponse } from '../upstream-response.ts'
import { classifyRefusal } from './errors.ts'
import { type OpenRequest, type OutgoingRequest, readText } from './send-request.ts'
import type { SignIn, Token } from './sign-in.ts'

export interface AuthorizedRequest {
  readonly method: 'GET' | 'POST' | 'DELETE'
  readonly base: 'chat' | 'config'
  /** With its leading slash. */
  readonly path: string
  readonly headers: Record<string, string>
  /** Sent as JSON; null: none. */
  readonly body: unknown
  /** See OutgoingRequest. */
  readonly deadlineMs: number | null
}

export interface Authorized {
  /** A 2xx answer. Throws UpstreamError for any other. */
  open(request: AuthorizedRequest, wish: Wish): Promise<UpstreamResponse>
  /** What must not be shown of an answer in this credential's name. */
  secrets(credential: Credential): string[]
}

export interface Wish extends Pick<OutgoingRequest, 'signal' | 'patience'> {
  readonly credential: Credential
}

export interface AuthorizedParts {
  readonly config: OndemandProviderConfig
  readonly clock: Clock
  readonly open: OpenRequest
  readonly signIn: SignIn
}

const mostRouteMisses = 2

export function createAuthorized({ config, clock, open, signIn }: AuthorizedParts): Authorized {
  function secrets(credential: Credential): string[] {
    const token = credential.kind === 'account' ? signIn.known(credential) : null
    return [credential.reveal(), credential.user ?? '', ...(token === null ? [] : [token.token, token.refreshToken])]
  }

  function baseOf(request: AuthorizedRequest, credential: Credential): string {
    if (request.base === 'config') return config.configBase
    return credential.kind === 'account' ? config.clientBase : config.chatBase
  }

  async function openOnce(one: Try): Promise<UpstreamResponse | UpstreamError> {
    const { request, credential, signal, patience, token } = one
    const isAccount = credential.kind === 'account'
    const { base: _, path, ...rest } = request
    const response = await open({
      ...rest,
      url: baseOf(request, credential) + path,
      headers: {
        ...request.headers,
        ...(token === null ? { apikey: credential.reveal() } : accountHeaders(token, path)),
      },
      signal,
      patience,
      isAccount,
    })
    if (response.ok) return response
    return classifyRefusal({
      status: response.status,
      headers: response.headers,
      text: await readText(response, signal),
      secrets: secrets(credential),
      rateLimitRestMs: config.rateLimitRestMs,
      now: clock.now(),
    })
  }

  return {
    secrets,
    async open(request, wish) {
      const { credential, signal } = wish
      if (credential.reveal() === '') throw noSecret()
      let token = credential.kind === 'account' ? await signIn.token(credential, signal) : null
      let renewals = 0
      let strays = 0
      let misses = 0
      for (;;) {
        const answer = await openOnce({ ...wish, request, token })
        if (!(answer instanceof UpstreamError)) return answer
        if (answer.status === 401 && token !== null && renewals < 2) {
          const how = renewals === 0 ? 'refresh' : 'anew'
          renewals++
          token = await signIn.renewed(credential, token, { how, signal })
          continue
        }
        const isMiss = answer.code === 'route_miss' && misses < mostRouteMisses
        const isStray = answer.kind === 'invalid_credential' && strays === 0 && renewals === 0
        if (!isMiss && !isStray) throw answer
        if (isMiss) misses++
        else strays++
        await clock.sleep(config.strayPauseMs, signal)
        if (signal.aborted) throw answer
      }
    },
  }
}

interface Try extends Wish {
  readonly request: AuthorizedRequest
  readonly token: Token | null
}

/** The user is named where a session is made, and only there. */
function accountHeaders(token: Token, path: string): Record<string, string> {
  const user = path === '/sessions' ? { 'x-user-id': token.userId } : {}
  return { authorization: `Bearer ${token.token}`, 'x-company-id': token.companyId, ...user }
}

/** The service answers an empty key with 500, which would look like its own trouble. */
function noSecret(): UpstreamError {
  return new UpstreamError('invalid_credential', 'OnDemand needs a key or an account', { status: 401, code: 'no_key' })
}
