/** A real little HTTP proxy on port 0: CONNECT and plain requests, with a login and faults where a test wants them. */
import type { Socket } from 'node:net'
import { joinUpstream, type Relay, startRelay } from './relay.ts'

export interface HttpProxyOptions {
  readonly isTls?: boolean
  /** `user:password` */
  readonly login?: string
  /** A status refuses every request with it. */
  readonly fault?: number | 'hang' | 'close' | 'garbage'
}

/** `asked`: such as `CONNECT host:port` and `POST http://host/path`. */
export function startHttpProxy({ isTls = false, login, fault }: HttpProxyOptions = {}): Promise<Relay> {
  const wanted = login === undefined ? null : `Basic ${Buffer.from(login).toString('base64')}`
  return startRelay(
    (client, asked) => {
      client.once('data', (bytes: Buffer) => {
        const text = bytes.toString('latin1')
        const [method = '', target = ''] = text.split(' ')
        asked.push(`${method} ${target}`)
        const given = /^proxy-authorization: (.*)$/im.exec(text)?.[1]?.trim() ?? null
        if (fault === 'hang') return
        if (fault === 'close') return void client.destroy()
        if (fault === 'garbage') return void client.write('SSH-2.0-x\r\n')
        if (typeof fault === 'number') return say(client, fault)
        if (wanted !== null && given !== wanted) return say(client, 407)
        const url = new URL(method === 'CONNECT' ? `http://${target}` : target)
        client.pause()
        const remote = joinUpstream(client, Number(url.port || 80), {
          opened() {
            if (method === 'CONNECT') return void client.write('HTTP/1.1 200 OK\r\n\r\n')
            remote.write(originForm(bytes))
            // One connection may carry several requests, each with a whole address.
            client.unpipe(remote)
            client.on('data', (more: Buffer) => {
              if (!remote.write(originForm(more))) client.pause()
            })
            remote.on('drain', () => client.resume())
            client.resume()
          },
          failed: () => say(client, 502),
        })
      })
    },
    { isTls },
  )
}

/** Where a piece begins with a request: without scheme and host. */
function originForm(bytes: Buffer): Buffer {
  const [, method] = /^([A-Z]+ )http:\/\/[^/]+/.exec(bytes.toString('latin1', 0, 200)) ?? []
  if (method === undefined) return bytes
  return Buffer.concat([Buffer.from(method), bytes.subarray(bytes.indexOf('/', method.length + 'http://'.length))])
}

function say(client: Socket, status: number): void {
  client.end(`HTTP/1.1 ${status} No\r\nproxy-authenticate: Basic realm="x"\r\ncontent-length: 6\r\n\r\nsecret`)
}
