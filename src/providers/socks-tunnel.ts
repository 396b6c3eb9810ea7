/**
 * Opens a connection through a SOCKS5 proxy (RFC 1928; user name and password: RFC 1929). What is sent through it, and how long
 * it may take to open, is the caller's business.
 */
import { once } from 'node:events'
import { connect, isIP, type Socket } from 'node:net'

export interface SocksProxy {
  readonly host: string
  readonly port: number
  /** Null: none is offered. */
  readonly login: { readonly user: string; readonly password: string } | null
  /** `socks5h`: the proxy looks names up; `socks5`: we do. */
  readonly isResolving: boolean
}

/** Expects an address that the configuration has accepted. */
export function readSocksProxy(text: string): SocksProxy {
  const url = new URL(text)
  const user = decodeURIComponent(url.username)
  return {
    host: bare(url.hostname),
    port: Number(url.port || defaultPort),
    login: user === '' ? null : { user, password: decodeURIComponent(url.password) },
    isResolving: url.protocol === 'socks5h:',
  }
}

/** Why there is no connection: a word of `proxy.ts` where it is the proxy's fault, that of a connection error where it is the upstream's. */
export class TunnelError extends Error {
  readonly code: string

  constructor(code: string, options: ErrorOptions = {}) {
    super(`no tunnel (${code})`, options)
    this.name = 'TunnelError'
    this.code = code
  }
}

/** Paused; the first byte to read is the upstream's. The signal ends the opening, nothing later. Throws TunnelError. */
export async function openSocksTunnel(
  proxy: SocksProxy,
  target: { readonly host: string; readonly port: number },
  signal: AbortSignal,
): Promise<Socket> {
  const isLookedUp = isIP(target.host) > 0 || proxy.isResolving
  const host = isLookedUp ? target.host : await until(lookUp(target.host), signal)
  const socket = connect({ host: proxy.host, port: proxy.port, noDelay: true })
  const gone = new Promise<never>((_, reject) => {
    socket.once('error', (cause) => reject(new TunnelError('proxy_unreachable', { cause })))
    for (const event of ['end', 'close']) socket.once(event, () => reject(new TunnelError('proxy_unreachable')))
  })
  gone.catch(() => {})
  try {
    const steps = async () => {
      await Promise.race([once(socket, 'connect'), gone])
      const reader = createReader(socket, gone)
      await greet(socket, reader, proxy)
      await ask(socket, reader, { host, port: target.port })
      reader.end()
    }
    await until(steps(), signal)
    return socket
  } catch (cause) {
    socket.destroy()
    if (cause instanceof TunnelError) throw cause
    throw new TunnelError('proxy_unreachable', { cause })
  }
}

const defaultPort = 1080

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

const version = 5
const withoutLogin = 0
const withLogin = 2

async function greet(socket: Socket, { take }: Reader, { login }: SocksProxy): Promise<void> {
  const methods = login === null ? [withoutLogin] : [withoutLogin, withLogin]
  socket.write(Buffer.from([version, methods.length, ...methods]))
  const [spoken, method] = await take(2)
  if (spoken !== version) throw new TunnelError('proxy_protocol_error')
  if (method === withoutLogin) return
  if (method !== withLogin || login === null) throw new TunnelError('proxy_auth_required')
  const [user, password] = [Buffer.from(login.user), Buffer.from(login.password)]
  socket.write(Buffer.concat([Buffer.from([1, user.length]), user, Buffer.from([password.length]), password]))
  // Some close at once instead of saying no.
  const answer = await take(2).catch((cause: unknown) => {
    throw new TunnelError('proxy_auth_required', { cause })
  })
  if (answer[1] !== 0) throw new TunnelError('proxy_auth_required')
}

/** RFC 1928, section 6: what kept the proxy from connecting. The first ones are its own affair. */
const replies: Readonly<Record<number, string>> = {
  1: 'proxy_cannot_connect',
  2: 'proxy_refused',
  3: 'ENETUNREACH',
  4: 'EHOSTUNREACH',
  5: 'ECONNREFUSED',
  6: 'ETIMEDOUT',
  7: 'proxy_refused',
  8: 'proxy_refused',
}

async function ask(
  socket: Socket,
  { take }: Reader,
  { host, port }: { readonly host: string; readonly port: number },
): Promise<void> {
  socket.write(Buffer.concat([Buffer.from([version, 1, 0]), addressOf(host), Buffer.from([port >> 8, port & 0xff])]))
  const [spoken, reply = 0, , kind] = await take(4)
  if (spoken !== version) throw new TunnelError('proxy_protocol_error')
  if (reply !== 0) throw new TunnelError(replies[reply] ?? 'proxy_cannot_connect')
  // The address it speaks from, which nobody needs, and a port.
  const length = kind === 3 ? (await take(1))[0] : addressLengths[kind ?? 0]
  if (length === undefined) throw new TunnelError('proxy_protocol_error')
  await take(length + 2)
}

const addressLengths: Readonly<Record<number, number>> = { 1: 4, 4: 16 }

function addressOf(host: string): Buffer {
  if (isIP(host) === 4) return Buffer.from([1, ...host.split('.').map(Number)])
  if (isIP(host) === 6) return Buffer.from([4, ...ipv6Bytes(host)])
  const name = Buffer.from(host)
  if (name.length > 255) throw new TunnelError('ENOTFOUND')
  return Buffer.concat([Buffer.from([3, name.length]), name])
}

function ipv6Bytes(address: string): number[] {
  // In one spelling, without a dotted end; a zone means nothing to a proxy.
  const plain = bare(new URL(`http://[${address.replace(/%.*$/, '')}]`).hostname)
  const [left = [], right = []] = plain.split('::').map((half) => half.split(':').filter((group) => group !== ''))
  const groups = [...left, ...Array<string>(8 - left.length - right.length).fill('0'), ...right]
  return groups.flatMap((group) => [Number.parseInt(group, 16) >> 8, Number.parseInt(group, 16) & 0xff])
}

interface Reader {
  /** Exactly so many bytes. */
  readonly take: (count: number) => Promise<Buffer>
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
  return {
    async take(count) {
      while (waiting.length < count) {
        const more = new Promise<void>((resolve) => {
          wake = resolve
        })
        await Promise.race([more, gone])
      }
      const taken = waiting.subarray(0, count)
      waiting = waiting.subarray(count)
      return taken
    },
    end() {
      socket.pause()
      socket.off('data', collect)
      if (waiting.length > 0) socket.unshift(waiting)
    },
  }
}

const maxWaitingBytes = 64 * 1024

function bare(host: string): string {
  return host.replace(/^\[(.*)\]$/, '$1')
}
