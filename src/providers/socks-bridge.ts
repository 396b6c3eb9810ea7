/**
 * Lets `fetch`, which speaks to HTTP proxies only (https://github.com/oven-sh/bun/issues/16812), use a SOCKS proxy: a listener on the
 * loopback that takes CONNECT and joins it to a tunnel. TLS, pooling, streaming and aborts stay with `fetch`; what passes is not looked at.
 */
import { randomBytes, timingSafeEqual } from 'node:crypto'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { openSocksTunnel, type SocksProxy, TunnelError } from './socks-tunnel.ts'

export interface SocksBridge {
  /** What `fetch` is told. Rejects when no listener can be opened. */
  open(): Promise<BridgeAddress>
  /** Of an answer that is the bridge's own: it names the failure. By chance, so that no upstream can pretend. */
  readonly failureHeader: string
  /** Listens no longer than until the last connection ends. */
  close(): void
}

export interface BridgeAddress {
  readonly url: string
  readonly headers: Record<string, string>
  readonly respectNoProxy: false
}

export interface BridgeLimits {
  /** For the whole opening of a tunnel. */
  readonly openMs: number
  readonly maxConnections: number
}

const defaultLimits: BridgeLimits = { openMs: 15_000, maxConnections: 20_000 }
const headDeadlineMs = 10_000
const lingerMs = 2000
/** Of a request's head; and of what may follow it before the tunnel stands. */
const maxWaitingBytes = 256 * 1024
const probeAfterMs = 60_000

export function createSocksBridge(proxy: SocksProxy, limits: BridgeLimits = defaultLimits): SocksBridge {
  // Anybody on this machine can connect; the proxy is for us alone.
  const authorization = `Bearer ${randomBytes(32).toString('hex')}`
  const failureHeader = `x-${randomBytes(16).toString('hex')}`
  const connections = new Set<Socket>()
  let listening: { readonly server: Server; readonly address: Promise<BridgeAddress> } | null = null
  let isClosed = false

  function listen(): NonNullable<typeof listening> {
    const server = createServer({ noDelay: true }, accept)
    const address = new Promise<BridgeAddress>((resolve, reject) => {
      server.once('error', reject)
      server.listen(0, '127.0.0.1', () => {
        const { port } = server.address() as AddressInfo
        const headers = { 'proxy-authorization': authorization }
        resolve({ url: `http://127.0.0.1:${port}`, headers, respectNoProxy: false })
      })
    })
    address.catch(() => {
      listening = null
    })
    server.unref()
    return { server, address }
  }

  function stop(): void {
    if (!isClosed || connections.size > 0) return
    listening?.server.close()
    listening = null
  }

  function accept(client: Socket): void {
    client.unref()
    client.on('error', () => client.destroy())
    const isFull = connections.size >= limits.maxConnections
    connections.add(client)
    client.once('close', () => {
      connections.delete(client)
      stop()
    })
    if (isFull) refuse(client, 'proxy_cannot_connect')
    else readHead(client, (request) => serve(client, request))
  }

  function serve(client: Socket, request: BridgeRequest | null): void {
    if (request === null) refuse(client, 'proxy_protocol_error')
    else if (!isSame(request.authorization, authorization)) refuse(client, 'proxy_auth_required')
    else joinTunnel(client, request)
  }

  async function joinTunnel(client: Socket, request: BridgeRequest): Promise<void> {
    const controller = new AbortController()
    const leave = () => controller.abort(new TunnelError('proxy_unreachable'))
    const timer = setTimeout(() => controller.abort(new TunnelError('proxy_timeout')), limits.openMs)
    client.once('close', leave)
    try {
      const remote = await openSocksTunnel(proxy, request, controller.signal)
      if (client.destroyed) return void remote.destroy()
      if (request.isConnect) client.write('HTTP/1.1 200 Connection established\r\n\r\n')
      join(client, remote, request.waiting())
    } catch (cause) {
      refuse(client, cause instanceof TunnelError ? cause.code : 'proxy_unreachable')
    } finally {
      clearTimeout(timer)
      client.off('close', leave)
    }
  }

  function refuse(client: Socket, code: string): void {
    const head = `HTTP/1.1 502 Bad Gateway\r\n${failureHeader}: ${code}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n`
    client.end(head)
    // What still comes is thrown away: left unread it would reset the connection, and the refusal with it.
    client.removeAllListeners('data')
    client.resume()
    setTimeout(() => client.destroy(), lingerMs).unref()
  }

  return {
    open() {
      listening ??= listen()
      return listening.address
    },
    failureHeader,
    close() {
      isClosed = true
      stop()
    },
  }
}

interface BridgeRequest {
  readonly host: string
  readonly port: number
  readonly isConnect: boolean
  readonly authorization: string
  /** What the upstream is to get first. Ends the reading on: from here on it is the caller's. */
  readonly waiting: () => Buffer
}

/** Calls back once, with null for what is no request of ours; not at all when the client leaves before. */
function readHead(client: Socket, then: (request: BridgeRequest | null) => void): void {
  let received: Buffer = Buffer.alloc(0)
  let isRead = false
  const timer = setTimeout(() => client.destroy(), headDeadlineMs)
  const leave = () => client.destroy()
  const take = (bytes: Buffer) => {
    received = received.length === 0 ? bytes : Buffer.concat([received, bytes])
    if (received.length > maxWaitingBytes) client.pause()
    if (isRead) return
    const end = received.indexOf('\r\n\r\n')
    if (end < 0 && received.length <= maxWaitingBytes) return
    isRead = true
    clearTimeout(timer)
    const head = end < 0 ? null : parseHead(received.toString('latin1', 0, end))
    if (head === null) return then(null)
    received = received.subarray(end + 4)
    const waiting = () => {
      client.off('data', take)
      client.off('end', leave)
      client.pause()
      return Buffer.concat([Buffer.from(head.forwarded, 'latin1'), received])
    }
    then({ ...head, waiting })
  }
  // Read on while the tunnel is opened: otherwise nobody would notice that the client has left.
  client.on('data', take)
  client.once('end', leave)
  client.once('close', () => clearTimeout(timer))
}

function parseHead(text: string): (Omit<BridgeRequest, 'waiting'> & { readonly forwarded: string }) | null {
  const [line = '', ...fields] = text.split('\r\n')
  const [method = '', target = ''] = line.split(' ')
  const authorization = fields.find((field) => /^proxy-authorization:/i.test(field))?.replace(/^[^:]*:\s*/, '') ?? ''
  const isConnect = method === 'CONNECT'
  const address = isConnect ? `http://${target}` : target
  if (!/^http:\/\//i.test(address) || !URL.canParse(address)) return null
  const url = new URL(address)
  const kept = fields.filter((field) => !/^proxy-/i.test(field))
  // The name as it is without brackets: for SOCKS an address is no name.
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1')
  const path = target.replace(/^http:\/\/[^/?]*/i, '').replace(/^(?!\/)/, '/')
  return {
    host,
    port: Number(url.port || 80),
    isConnect,
    authorization,
    forwarded: isConnect ? '' : `${[`${method} ${path} HTTP/1.1`, ...kept].join('\r\n')}\r\n\r\n`,
  }
}

function join(client: Socket, remote: Socket, first: Buffer): void {
  remote.unref()
  remote.setKeepAlive(true, probeAfterMs)
  remote.on('error', () => client.destroy())
  remote.once('close', (isBroken) => (isBroken ? client.destroy() : client.end()))
  client.once('close', () => remote.destroy())
  if (first.length > 0) remote.write(first)
  // Each waits for the other to take what it was given.
  client.pipe(remote)
  remote.pipe(client)
}

function isSame(given: string, wanted: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(wanted)]
  return a.length === b.length && timingSafeEqual(a, b)
}
