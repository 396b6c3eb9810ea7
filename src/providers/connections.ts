/** How one provider reaches its upstream: its own pool of connections, its proxy. What is sent is not its business. */
import type { ProviderConfigBase } from '../domain.ts'
import { createHttpClient, defaultLimits, type HttpClient } from './http-client.ts'
import { createProxy, type OutboundProxy } from './proxy.ts'

export interface Connections {
  /** For HTTP/1.1. */
  readonly client: HttpClient
  /** For HTTP/2, which the client does not speak. */
  readonly fetch: typeof fetch
  readonly isHttp2: boolean
  /** Null: none, whatever the environment says. */
  readonly proxy: OutboundProxy | null
  /** Gives up idle connections; what is under way goes on. */
  close(): void
}

export function createConnections(
  config: Pick<ProviderConfigBase, 'proxy' | 'isHttp2' | 'maxIdleSockets'>,
): Connections {
  const { isHttp2, maxIdleSockets } = config
  const proxy = config.proxy === null ? null : createProxy(config.proxy)
  const client = createHttpClient({ ...defaultLimits, maxIdle: maxIdleSockets ?? defaultLimits.maxIdle })
  const isOwnPool = isHttp2 && maxIdleSockets !== null
  const session = isOwnPool ? new Bun.FetchSession({ keepAlive: keepAliveOf(maxIdleSockets) }) : null
  return {
    client,
    fetch: session === null ? fetch : (session.fetch.bind(session) as typeof fetch),
    isHttp2,
    proxy,
    close() {
      client.close()
      session?.close()
      proxy?.close()
    },
  }
}

/** The runtime takes 1 to 65,535; more means nothing to it anyway. */
const mostIdleSockets = 65_535

function keepAliveOf(maxIdleSockets: number | null): false | { maxIdleSockets?: number } {
  if (maxIdleSockets === 0) return false
  return maxIdleSockets === null ? {} : { maxIdleSockets: Math.min(maxIdleSockets, mostIdleSockets) }
}
