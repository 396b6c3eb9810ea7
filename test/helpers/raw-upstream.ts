/** An upstream that sends exactly the bytes a test wants, when it wants them, and shows what it was sent. */
import { type AddressInfo, createServer, type Socket } from 'node:net'

export interface RawUpstream extends AsyncDisposable {
  readonly url: string
  readonly port: number
  /** Connections taken so far, in order. */
  readonly connections: RawConnection[]
  /** Requests of all connections so far, each as it was sent. */
  readonly requests: string[]
}

export interface RawConnection {
  readonly socket: Socket
  /** Resolves when it is gone. */
  readonly gone: Promise<void>
  /** Bytes it was sent. */
  receivedBytes(): number
}

/** `serve` is called for each whole request, with its number over this connection and over all of them, from 1. */
export type ServeRaw = (socket: Socket, request: { number: number; total: number; text: string }) => unknown

export async function startRawUpstream(
  serve: ServeRaw,
  options: { readonly onConnection?: (socket: Socket) => void; readonly host?: string } = {},
): Promise<RawUpstream> {
  const connections: RawConnection[] = []
  const requests: string[] = []
  const server = createServer((socket) => {
    let received = 0
    let waiting = ''
    let number = 0
    socket.setNoDelay(true)
    socket.on('error', () => socket.destroy())
    connections.push({
      socket,
      gone: new Promise((resolve) => socket.once('close', () => resolve())),
      receivedBytes: () => received,
    })
    options.onConnection?.(socket)
    socket.on('data', (bytes) => {
      received += bytes.length
      waiting += bytes.toString('latin1')
      for (let end = requestEnd(waiting); end > 0; end = requestEnd(waiting)) {
        const text = waiting.slice(0, end)
        waiting = waiting.slice(end)
        requests.push(text)
        serve(socket, { number: ++number, total: requests.length, text })
      }
    })
  })
  await new Promise<void>((resolve) => server.listen(0, options.host ?? '127.0.0.1', () => resolve()))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://${options.host === '::1' ? '[::1]' : '127.0.0.1'}:${port}/`,
    port,
    connections,
    requests,
    async [Symbol.asyncDispose]() {
      server.close()
      for (const { socket } of connections) socket.destroy()
    },
  }
}

/** -1: it has not ended. */
function requestEnd(text: string): number {
  const head = text.indexOf('\r\n\r\n')
  if (head < 0) return -1
  const end = head + 4 + Number(/\r\ncontent-length: (\d+)/i.exec(text.slice(0, head))?.[1] ?? 0)
  return text.length >= end ? end : -1
}

/** Writes the pieces one after another, each in a packet of its own as far as that can be had. */
export async function writeInPieces(socket: Socket, pieces: readonly string[]): Promise<void> {
  for (const piece of pieces) {
    socket.write(piece, 'latin1')
    await Bun.sleep(1)
  }
}
