/**
 * Opens a connection to an upstream through a proxy: CONNECT of HTTP (RFC 9110, section 9.3.6), or SOCKS5. What is sent through it,
 * and how long it may take to open, is the caller's business.
 */
import { once } from 'node:events'
import { connect, isIP, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { askSocks } from './socks-handshake.ts'
import { TunnelError } from './tunnel-error.ts'

export interface ProxyAddress {
  readonly kind: 'http' | 'https' | 'socks5' | 'socks5h'
  readonly host: string
  readonly port: number
  /** Null: none is offered. */
  readonly login: Login | null
}

export interface Login {
  readonly user: string
  readonly password: string
}

export interface TunnelTarget {
  /** A name, or an address without brackets. */
  readonly host: string
  readonly port: number
}

const defaultPorts = { http: 80, https: 443, socks5: 1080, socks5h: 1080 }

/** Expects an address that the configuration has accepted. */
export function readProxyAddress(text: string): ProxyAddress {
  const url = new URL(text)
  const kind = url.protocol.slice(0, -1) as ProxyAddress['kind']
  const user = decodeURIComponent(url.username)
  return {
    kind,
    host: bareHost(url.hostname),
    port: Number(url.port || defaultPorts[kind]),
    login: user === '' ? null : { user, password: decodeURIComponent(url.password) },
  }
}

/** Paused; the first byte to read is the upstream's. The signal ends the opening, nothing later. Throws TunnelError. */
export async function openTunnel(proxy: ProxyAddress, target: TunnelTarget, signal: AbortSignal): Promise<Socket> {
  const { kind, login } = proxy
  // `socks5` is given addresses, whatever else leaves names to the proxy.
  const isLookedUp = kind !== 'socks5' || isIP(target.host) > 0
  const host = isLookedUp ? target.host : await until(lookUp(target.host), signal)
  const socket = dial(proxy)
  const gone = new Promise<never>((_, reject) => {
    socket.once('error', (cause) => reject(new TunnelError('proxy_unreachable', { cause })))
    for (const event of ['end', 'close']) socket.once(event, () => reject(new TunnelError('proxy_unreachable')))
  })
  gone.catch(() => {})
  const shake = async () => {
    await Promise.race([once(socket, kind === 'https' ? 'secureConnect' : 'connect'), gone])
    const reader = createReader(socket, gone)
    const asked = { login, target: { host, port: target.port } }
    if (kind === 'http' || kind === 'https') await askHttp(socket, reader, asked)
    else await askSocks(socket, reader, asked)
    reader.end()
  }
  try {
    await until(shake(), signal)
    return socket
  } catch (cause) {
    socket.destroy()
    throw cause instanceof TunnelError ? cause : new TunnelError('proxy_unreachable', { cause })
  }
}

function dial({ kind, host, port }: ProxyAddress): Socket {
  if (kind !== 'https') return connect({ host, port, noDelay: true })
  return connectTls({ host, port, ...(isIP(host) > 0 ? {} : { servername: host }) })
}

/** Fails at the signal, with what is its reason. */
function until<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  if (signal.aborted) {
    promise.catch(() => {})
    return Promise.reject(signal.reason)
  }
  return new Promise((resolve, reject) => {
    const leave = () => reject(signal.reason)
    signal.addEventListener('abort', leave, { once: true })
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', leave))
  })
}

/** IPv4 where the name has one: more proxies reach that. */
async function lookUp(name: string): Promise<string> {
  const found = await Bun.dns.lookup(name).catch((cause: unknown) => {
    throw new TunnelError('ENOTFOUND', { cause })
  })
  const chosen = found.find(({ family }) => family === 4) ?? found[0]
  if (chosen === undefined) throw new TunnelError('ENOTFOUND')
  return chosen.address
}

const maxHeadBytes = 16 * 1024

async function askHttp(
  socket: Socket,
  { takeHead }: Reader,
  { login, target }: { readonly login: Login | null; readonly target: TunnelTarget },
): Promise<void> {
  const authority = `${isIP(target.host) === 6 ? `[${target.host}]` : target.host}:${target.port}`
  const lines = [`CONNECT ${authority} HTTP/1.1`, `Host: ${authority}`]
  if (login !== null) lines.push(`Proxy-Authorization: ${basicAuthorization(login)}`)
  socket.write(`${lines.join('\r\n')}\r\n\r\n`)
  const head = await takeHead()
  const status = Number(/^HTTP\/1\.[01] (\d{3})/.exec(head)?.[1] ?? 0)
  if (status === 0) throw new TunnelError('proxy_protocol_error')
  if (status >= 200 && status < 300) return
  throw new TunnelError(codeOfStatus(status))
}

export function basicAuthorization({ user, password }: Login): string {
  return `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`
}

/** A proxy's own refusal; with 5xx it says that it could not reach the upstream, or has trouble itself: which, nobody can tell. */
export function codeOfStatus(status: number): 'proxy_auth_required' | 'proxy_cannot_connect' | 'proxy_refused' {
  if (status === 407) return 'proxy_auth_required'
  return status >= 500 ? 'proxy_cannot_connect' : 'proxy_refused'
}

export interface Reader {
  /** Exactly so many bytes. */
  readonly take: (count: number) => Promise<Buffer>
  /** Up to the empty line. */
  readonly takeHead: () => Promise<string>
  /** Pauses the socket; what was not taken stands in it again. */
  readonly end: () => void
}

/** By its data: asked for n bytes on `readable`, a socket of Bun 1.4.5 was seen to spin when they came one by one. */
function createReader(socket: Socket, gone: Promise<never>): Reader {
  let waiting: Buffer = Buffer.alloc(0)
  let wake = () => {}
  const collect = (bytes: Buffer) => {
    waiting = waiting.length === 0 ? bytes : Buffer.concat([waiting, bytes])
    // Nothing is to come before it was asked for: so this is a bound, too.
    if (waiting.length > maxWaitingBytes) socket.pause()
    wake()
  }
  socket.on('data', collect)
  const more = () => {
    const arrived = new Promise<void>((resolve) => {
      wake = resolve
    })
    return Promise.race([arrived, gone])
  }
  const cut = (count: number) => {
    const taken = waiting.subarray(0, count)
    waiting = waiting.subarray(count)
    return taken
  }
  return {
    async take(count) {
      while (waiting.length < count) await more()
      return cut(count)
    },
    async takeHead() {
      for (;;) {
        const end = waiting.indexOf('\r\n\r\n')
        if (end >= 0) return cut(end + 4).toString('latin1')
        // What does not begin as an answer will never end as one.
        const isHttp = 'HTTP/1.'.startsWith(waiting.toString('latin1', 0, 7))
        if (!isHttp || waiting.length > maxHeadBytes) throw new TunnelError('proxy_protocol_error')
        await more()
      }
    },
    end() {
      socket.pause()
      socket.off('data', collect)
      if (waiting.length > 0) socket.unshift(waiting)
    },
  }
}

const maxWaitingBytes = 64 * 1024

export function bareHost(host: string): string {
  return host.replace(/^\[(.*)\]$/, '$1')
}
