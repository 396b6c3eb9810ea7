/** Makes calls one after the other on one kept connection and says how long each took. */
import type { Socket } from 'bun'
import { type Call, rawRequest } from './chat-request.ts'
import { createAnswerReader } from './http-answer.ts'
import type { Subject } from './subjects.ts'

export interface SequentialCaller {
  /** From writing the request to the last byte of the answer, in milliseconds. Throws where the answer is not a 200. */
  call(): Promise<number>
  close(): void
}

const deadlineMs = 10_000

/** Connects again where the server has closed in between; that is not part of the time. */
export function createSequentialCaller(subject: Subject, call: Call): SequentialCaller {
  const request = Buffer.from(rawRequest(subject, call))
  let socket: Socket<undefined> | null = null
  let reader = createAnswerReader(() => {})
  let answered = Promise.withResolvers<number>()

  return {
    async call() {
      socket ??= await connect()
      answered = Promise.withResolvers()
      const timer = setTimeout(() => answered.reject(new Error(`no answer within ${deadlineMs} ms`)), deadlineMs)
      const begin = performance.now()
      socket.write(request)
      try {
        return (await answered.promise) - begin
      } finally {
        clearTimeout(timer)
      }
    },
    close() {
      socket?.terminate()
      socket = null
    },
  }

  function connect(): Promise<Socket<undefined>> {
    reader = createAnswerReader(() => {})
    return Bun.connect({ hostname: '127.0.0.1', port: subject.port, socket: { data: receive, close, error: close } })
  }

  function receive(_socket: Socket<undefined>, bytes: Buffer): void {
    const now = performance.now()
    reader.push(bytes)
    if (!reader.isEnded) return
    if (reader.status === 200) answered.resolve(now)
    else answered.reject(new Error(`status ${reader.status}`))
  }

  function close(): void {
    socket = null
    answered.reject(new Error('the connection was closed before the answer'))
  }
}
