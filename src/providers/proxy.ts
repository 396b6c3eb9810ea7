/**
 * The proxy of one provider: which calls take it, what `fetch` is told, and which failures are the proxy's own, so that neither a
 * credential nor the upstream is blamed for them. The runtime speaks to HTTP and HTTPS proxies; for SOCKS there is a bridge.
 */
import type { ProxyConfig } from '../domain.ts'
import { UpstreamError } from '../errors.ts'
import { createBypass } from './bypass.ts'
import { createSocksBridge } from './socks-bridge.ts'
import { readSocksProxy } from './socks-tunnel.ts'

export interface OutboundProxy {
  /** Null: this address is reached directly. Throws UpstreamError `proxy_failed`. */
  routeTo(url: string): Promise<ProxyRoute> | ProxyRoute | null
  close(): void
}

/** One way through a proxy. */
export interface ProxyRoute {
  readonly options: Pick<BunFetchRequestInit, 'proxy' | 'keepalive'>
  /** The error to throw where what `fetch` threw is told by the way; null: it is not. */
  failureOf(cause: unknown): UpstreamError | null
  /** The same for an answer that the proxy itself gave. */
  refusalOf(response: Response): UpstreamError | null
}

export function createProxy({ url, bypass }: ProxyConfig): OutboundProxy {
  const isBypassed = createBypass(bypass)
  const way = /^socks/i.test(url) ? createSocksWay(url) : createHttpWay(url)
  return {
    routeTo(target) {
      const address = new URL(target)
      return isBypassed(address) ? null : way.routeTo(address.protocol === 'http:')
    },
    close: way.close,
  }
}

interface Way {
  readonly routeTo: (isPlain: boolean) => Promise<ProxyRoute> | ProxyRoute
  readonly close: () => void
}

function createHttpWay(url: string): Way {
  // Exceptions are ours to know: the runtime would add those of the environment.
  const options = { proxy: { url, respectNoProxy: false } }
  const tunnel: ProxyRoute = { options, failureOf: httpFailure, refusalOf: () => null }
  // Without a tunnel an answer of the proxy looks like one of the upstream; only this status is never the upstream's.
  const plain: ProxyRoute = { ...tunnel, refusalOf: ({ status }) => (status === 407 ? httpRefusal(407) : null) }
  return { routeTo: (isPlain) => (isPlain ? plain : tunnel), close: () => {} }
}

/** Of the connection to the proxy: the runtime makes no other one before the tunnel stands. */
const connectCodes = new Set([
  ...['ECONNREFUSED', 'ENOTFOUND', 'EHOSTUNREACH', 'ENETUNREACH', 'ETIMEDOUT', 'EAI_AGAIN'],
  ...['ConnectionRefused', 'FailedToOpenSocket'],
])

function httpFailure(cause: unknown): UpstreamError | null {
  const { code, status } = cause as { code?: unknown; status?: unknown }
  if (code === 'ERR_PROXY_TUNNEL') return httpRefusal(Number(status))
  return connectCodes.has(String(code)) ? proxyError('proxy_unreachable', cause) : null
}

function httpRefusal(status: number): UpstreamError {
  if (status === 407) return proxyError('proxy_auth_required')
  return proxyError(status >= 500 ? 'proxy_cannot_connect' : 'proxy_refused')
}

function createSocksWay(url: string): Way {
  const bridge = createSocksBridge(readSocksProxy(url))
  const refusalOf = ({ headers }: Pick<Response, 'headers'>) => {
    const code = headers.get(bridge.failureHeader)
    return code === null ? null : socksError(code)
  }
  const failureOf = (cause: unknown) => {
    const { code, headers } = cause as { code?: unknown; headers?: unknown }
    if (code === 'ERR_PROXY_TUNNEL' && headers instanceof Headers) return refusalOf({ headers })
    // That would be the bridge itself.
    return connectCodes.has(String(code)) ? proxyError('proxy_unreachable', cause) : null
  }
  return {
    async routeTo(isPlain) {
      const proxy = await bridge.open().catch((cause: unknown) => {
        throw proxyError('proxy_unreachable', cause)
      })
      // Without a tunnel the bridge reads one request of a connection, no second one.
      const options = isPlain ? { proxy, keepalive: false } : { proxy }
      return { options, failureOf, refusalOf: isPlain ? refusalOf : () => null }
    },
    close: bridge.close,
  }
}

const messages = {
  proxy_unreachable: 'the proxy towards the upstream cannot be reached',
  proxy_auth_required:
    'the proxy towards the upstream refuses the user name and password of this gateway, or wants them',
  proxy_refused: 'the proxy towards the upstream refuses to connect to it',
  proxy_cannot_connect: 'the proxy towards the upstream could not connect to it',
  proxy_timeout: 'the proxy towards the upstream did not answer in time',
  proxy_protocol_error: 'the proxy towards the upstream does not speak its protocol',
} as const

type ProxyCode = keyof typeof messages

function proxyError(code: ProxyCode, cause?: unknown): UpstreamError {
  return new UpstreamError('proxy_failed', messages[code], { code, cause })
}

/** A SOCKS proxy also says what is the upstream's own failure, as a connection without a proxy would have. */
function socksError(code: string): UpstreamError {
  if (Object.hasOwn(messages, code)) return proxyError(code as ProxyCode)
  return new UpstreamError('unreachable', `no connection to the upstream (${code})`, { code })
}
