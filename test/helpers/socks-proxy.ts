/** A real little SOCKS5 proxy on port 0 (RFC 1928, 1929), with a login and faults where a test wants them. */
import type { Socket } from 'node:net'
import { joinUpstream, type Relay, startRelay } from './relay.ts'

export interface SocksProxyOptions {
  /** `user:password` */
  readonly login?: string
  /** A number: this reply to every request. */
  readonly fault?: number | 'hang' | 'close' | 'garbage' | 'hang_after_login' | 'close_at_login'
  /** Sends its answers byte by byte, with another spelling of its own address. */
  readonly isSlow?: boolean
}

/** `asked`: `name host:port`, `ipv4 a.b.c.d:port`, `ipv6 hex:port`; before it `login user:password` where there is one. */
export function startSocksProxy({ login, fault, isSlow = false }: SocksProxyOptions = {}): Promise<Relay> {
  return startRelay((client, asked) => {
    let received: Buffer = Buffer.alloc(0)
    let step: 'greeting' | 'login' | 'request' = 'greeting'
    const take = (bytes: Buffer) => {
      received = Buffer.concat([received, bytes])
      if (step === 'greeting') greet()
      if (step === 'login') logIn()
      if (step === 'request') serve()
    }
    const greet = () => {
      if (received.length < 2 || received.length < 2 + (received[1] ?? 0)) return
      const methods = [...received.subarray(2, 2 + (received[1] ?? 0))]
      received = received.subarray(2 + methods.length)
      if (fault === 'hang') return
      if (fault === 'close') return void client.destroy()
      if (fault === 'garbage') return void client.end('HTTP/1.1 400 Bad Request\r\n\r\n')
      const method = login === undefined ? 0 : 2
      if (!methods.includes(method)) return void client.end(Buffer.from([5, 0xff]))
      step = method === 2 ? 'login' : 'request'
      say(client, [5, method])
    }
    const logIn = () => {
      const userLength = received[1] ?? 0
      const passwordLength = received[2 + userLength]
      if (passwordLength === undefined || received.length < 3 + userLength + passwordLength) return
      const user = received.toString('utf8', 2, 2 + userLength)
      const password = received.toString('utf8', 3 + userLength, 3 + userLength + passwordLength)
      received = received.subarray(3 + userLength + passwordLength)
      asked.push(`login ${user}:${password}`)
      if (fault === 'close_at_login') return void client.destroy()
      if (`${user}:${password}` !== login) return void client.end(Buffer.from([1, 1]))
      step = 'request'
      say(client, [1, 0])
    }
    const serve = () => {
      const kind = received[3]
      const nameLength = received[4] ?? 0
      const start = kind === 3 ? 5 : 4
      const length: number | undefined = { 1: 4, 3: nameLength, 4: 16 }[kind as 1 | 3 | 4]
      if (length === undefined || received.length < start + length + 2) return
      const address = received.subarray(start, start + length)
      const port = received.readUInt16BE(start + length)
      const rest = received.subarray(start + length + 2)
      client.off('data', take)
      const spelled = {
        1: `ipv4 ${[...address].join('.')}`,
        3: `name ${address}`,
        4: `ipv6 ${address.toString('hex')}`,
      }
      asked.push(`${spelled[kind as 1 | 3 | 4]}:${port}`)
      if (fault === 'hang_after_login') return
      if (typeof fault === 'number') return void client.end(Buffer.from([5, fault, 0, 1, 0, 0, 0, 0, 0, 0]))
      client.pause()
      const remote = joinUpstream(client, port, {
        opened() {
          const own = isSlow ? [3, 4, 0x68, 0x6f, 0x73, 0x74] : [1, 127, 0, 0, 1]
          say(client, [5, 0, 0, ...own, 0, 1])
          if (rest.length > 0) remote.write(rest)
        },
        failed: () => client.end(Buffer.from([5, 5, 0, 1, 0, 0, 0, 0, 0, 0])),
      })
    }
    const say = (to: Socket, bytes: readonly number[]) => {
      if (isSlow) for (const byte of bytes) to.write(Buffer.from([byte]))
      else to.write(Buffer.from(bytes))
    }
    client.setNoDelay(true)
    client.on('data', take)
  })
}
