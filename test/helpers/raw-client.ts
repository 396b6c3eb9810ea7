/** A client on a bare TCP socket: sends what no library would send, and may stop reading. */
import type { Socket } from 'bun'

export interface RawClient {
  readonly received: () => string
  readonly isClosed: () => boolean
  /** From now on nothing is taken from the socket. */
  pause(): void
  resume(): void
  /** Closes the connection at once. */
  leave(): void
}

export interface RawRequest {
  readonly method?: string
  readonly path: string
  readonly headers?: readonly string[]
  readonly body?: string
}

/** Connects and sends; `url` is the gateway's. */
export async function sendRaw(url: string, request: RawRequest): Promise<RawClient> {
  const { hostname, port } = new URL(url)
  const body = Buffer.from(request.body ?? '')
  const head = [
    `${request.method ?? 'POST'} ${request.path} HTTP/1.1`,
    `host: ${hostname}:${port}`,
    `content-length: ${body.length}`,
    ...(request.headers ?? []),
  ]
  let received = ''
  let isClosed = false
  const socket: Socket = await Bun.connect({
    hostname,
    port: Number(port),
    socket: {
      data(_, bytes) {
        received += bytes.toString('latin1')
      },
      close() {
        isClosed = true
      },
    },
  })
  socket.write(Buffer.concat([Buffer.from(`${head.join('\r\n')}\r\n\r\n`), body]))
  return {
    received: () => received,
    isClosed: () => isClosed,
    pause: () => socket.pause(),
    resume: () => socket.resume(),
    leave: () => socket.terminate(),
  }
}
