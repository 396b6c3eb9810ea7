/** Asks a SOCKS5 proxy for a connection (RFC 1928; user name and password: RFC 1929). */
import { isIP, type Socket } from 'node:net'
import type { Login, Reader, TunnelTarget } from './open-tunnel.ts'
import { TunnelError } from './tunnel-error.ts'

/** On a connection to the proxy; afterwards it is one to the target. Throws TunnelError. */
export async function askSocks(
  socket: Socket,
  reader: Reader,
  { login, target }: { readonly login: Login | null; readonly target: TunnelTarget },
): Promise<void> {
  await greet(socket, reader, login)
  await ask(socket, reader, target)
}

const version = 5
const withoutLogin = 0
const withLogin = 2

async function greet(socket: Socket, { take }: Reader, login: Login | null): Promise<void> {
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

async function ask(socket: Socket, { take }: Reader, { host, port }: TunnelTarget): Promise<void> {
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
  const plain = new URL(`http://[${address.replace(/%.*$/, '')}]`).hostname.slice(1, -1)
  const [left = [], right = []] = plain.split('::').map((half) => half.split(':').filter((group) => group !== ''))
  const groups = [...left, ...Array<string>(8 - left.length - right.length).fill('0'), ...right]
  return groups.flatMap((group) => [Number.parseInt(group, 16) >> 8, Number.parseInt(group, 16) & 0xff])
}
