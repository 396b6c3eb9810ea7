/** Sends a request whose target no client library would let through. */
export interface RawRequest {
  readonly method?: string
  readonly target: string
  readonly host: string
  readonly headers?: Readonly<Record<string, string>>
  /** Sent as it is: the headers must fit. */
  readonly body?: string
}

export interface RawAnswer {
  readonly status: number
  readonly head: string
  readonly body: string
}

export function sendRaw(url: string, request: RawRequest): Promise<RawAnswer> {
  const { hostname, port } = new URL(url)
  const headers = { host: request.host, connection: 'close', ...request.headers }
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  const text = `${request.method ?? 'GET'} ${request.target} HTTP/1.1\r\n${lines.join('')}\r\n${request.body ?? ''}`
  return new Promise((resolve, reject) => {
    let received = ''
    Bun.connect({
      hostname,
      port: Number(port),
      socket: {
        open: (socket) => void socket.write(text),
        data: (_, bytes) => {
          received += bytes.toString()
        },
        close: () => {
          const end = received.indexOf('\r\n\r\n')
          const head = end < 0 ? received : received.slice(0, end)
          resolve({ status: Number(head.split(' ')[1] ?? 0), head, body: end < 0 ? '' : received.slice(end + 4) })
        },
        error: (_, error) => reject(error),
      },
    }).catch(reject)
  })
}
