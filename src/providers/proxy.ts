/**
 * The proxy of one provider: which calls take it, by which way they go, and which failures are the proxy's own, so that neither a
 * credential nor the upstream is blamed for them.
 */
import type { ProxyConfig } from '../domain.ts'
import { UpstreamError } from '../errors.ts'
import { createBypass } from './bypass.ts'
import type { Via } from './http-request.ts'
import { basicAuthorization, codeOfStatus, readProxyAddress } from './open-tunnel.ts'
import { createTunnelBridge } from './tunnel-bridge.ts'
import type { UpstreamResponse } from './upstream-response.ts'

export interface OutboundProxy {
  /** Null: this address is reached directly. Throws UpstreamError `proxy_failed`. */
  routeTo(url: string): Promise<ProxyRoute> | ProxyRoute | null
  close(): void
}

/** One way through a proxy. */
export interface ProxyRoute {
  readonly via: Via
  /** The error to throw where what went wrong is told by the way; null: it is not. */
  failureOf(cause: unknown): UpstreamError | null
  /** The same for an answer that the proxy itself gave. */
  refusalOf(response: Pick<UpstreamResponse, 'status'>): UpstreamError | null
  /** The way was not open at this moment, and nothing was sent: at once again. */
  isTooEarly(cause: unknown): boolean
}

export function createProxy({ url, bypass }: ProxyConfig): OutboundProxy {
  const isBypassed = createBypass(bypass)
  const address = readProxyAddress(url)
  const isSocks = address.kind.startsWith('socks')
  const bridge = createTunnelBridge(address)
  const plainRoute: ProxyRoute = {
    via: {
      kind: 'proxy',
      hostname: address.host,
      port: address.port,
      isTls: address.kind === 'https',
      authorization: address.login === null ? null : basicAuthorization(address.login),
    },
    failureOf,
    refusalOf,
    isTooEarly: () => false,
  }

  async function openTunnelRoute(target: URL): Promise<ProxyRoute> {
    const unix = await bridge.open(target).catch((cause: unknown) => {
      throw proxyError('proxy_unreachable', cause)
    })
    const tunnelFailure = () => {
      const code = bridge.takeFailure(target)
      return code === null ? null : tunnelError(code)
    }
    /** Too many at once wait at the socket; or it has been taken away, by a reload or by whoever tidies the directory. */
    const isTooEarly = (cause: unknown) => {
      const { code } = cause as { code?: unknown }
      if (code === 'ENOENT') bridge.forget(unix)
      return code === 'ENOENT' || code === 'EAGAIN'
    }
    return { via: { kind: 'socket', path: unix }, failureOf: tunnelFailure, refusalOf: () => null, isTooEarly }
  }

  return {
    routeTo(target) {
      const asked = new URL(target)
      if (isBypassed(asked)) return null
      // Without TLS an HTTP proxy is sent the request itself: many allow CONNECT to port 443 only.
      return isSocks || asked.protocol === 'https:' ? openTunnelRoute(asked) : plainRoute
    },
    close: bridge.close,
  }
}

/** Of the connection to the proxy: without a tunnel there is no other one. */
const connectCodes = new Set([
  ...['ECONNREFUSED', 'ENOTFOUND', 'EHOSTUNREACH', 'ENETUNREACH', 'ETIMEDOUT', 'EAI_AGAIN'],
  ...['ConnectionRefused', 'FailedToOpenSocket'],
])

function failureOf(cause: unknown): UpstreamError | null {
  const { code } = cause as { code?: unknown }
  return connectCodes.has(String(code)) ? proxyError('proxy_unreachable', cause) : null
}

/** Without a tunnel an answer of the proxy looks like one of the upstream; only this status is never the upstream's. */
function refusalOf({ status }: Pick<UpstreamResponse, 'status'>): UpstreamError | null {
  return status === 407 ? proxyError(codeOfStatus(status)) : null
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
function tunnelError(code: string): UpstreamError {
  if (Object.hasOwn(messages, code)) return proxyError(code as ProxyCode)
  return new UpstreamError('unreachable', `no connection to the upstream (${code})`, { code })
}
