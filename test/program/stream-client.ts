/** One streamed chat call over a socket of its own, because the runtime's fetch bounds how many run at once. */
import { connect } from 'node:net'
import { chatRequest, clientKey } from '../helpers/program.ts'

export interface RawStream {
  /** The body's bytes came to their proper end. */
  readonly isWhole: boolean
  readonly status: number
  readonly body: string
}

/** `leaveAfterBytes`: breaks the connection off when so much has come. */
export function streamOverSocket(
  port: number,
  body: Record<string, unknown>,
  leaveAfterBytes = Number.POSITIVE_INFINITY,
): Promise<RawStream> {
  const content = String(chatRequest({ stream: true, ...body }).body)
  const head = [
    'POST /v1/chat/completions HTTP/1.1',
    'host: localhost',
    `authorization: Bearer ${clientKey}`,
    'content-type: application/json',
    `content-length: ${Buffer.byteLength(content)}`,
    'connection: close',
  ]
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(`${head.join('\r\n')}\r\n\r\n${content}`))
    let text = ''
    socket.setEncoding('utf8')
    socket.on('data', (chunk: string) => {
      text += chunk
      if (text.length >= leaveAfterBytes) socket.destroy()
    })
    socket.on('error', reject)
    socket.on('close', () => {
      const headEnd = text.indexOf('\r\n\r\n')
      const status = Number(/^HTTP\/1\.1 (\d+)/.exec(text)?.[1] ?? 0)
      resolve({ isWhole: text.endsWith('\r\n0\r\n\r\n'), status, body: text.slice(headEnd + 4) })
    })
  })
}

/** Does something so many times, at most so many at once; results in the order of their beginnings. */
export async function repeat<Result>(
  { times, atOnce }: { readonly times: number; readonly atOnce: number },
  work: (index: number) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = []
  let next = 0
  const worker = async () => {
    while (next < times) {
      const index = next++
      results[index] = await work(index)
    }
  }
  await Promise.all(Array.from({ length: atOnce }, worker))
  return results
}
