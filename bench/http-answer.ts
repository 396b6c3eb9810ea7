/** Reads answers of HTTP/1.1 from the bytes of one connection, as far as measuring needs it: the status, the body's bytes, and where it ends. */

export interface AnswerReader {
  /** Of the answer being read; 0 before its head has come. */
  readonly status: number
  /** True from the end of an answer until bytes of the next one come. */
  readonly isEnded: boolean
  /** Throws on what is not HTTP. `onBody` is called with each piece of the body. */
  push(bytes: Buffer): void
  /** The other side has closed: ends an answer whose body has no other end. */
  close(): void
}

export function createAnswerReader(onBody: (bytes: Buffer) => void): AnswerReader {
  let pending: Buffer | null = null
  let state: 'head' | 'length' | 'chunk size' | 'chunk' | 'chunk end' | 'trailer' | 'until closed' = 'head'
  let remaining = 0
  const reader = { status: 0, isEnded: false, push, close }
  return reader

  function push(bytes: Buffer): void {
    let input: Buffer | null = pending === null ? bytes : Buffer.concat([pending, bytes])
    pending = null
    while (input !== null && input.length > 0) input = step(input)
  }

  /** Gives back what is left of the input; null where more has to come first, which is then kept. */
  function step(input: Buffer): Buffer | null {
    if (state === 'length' || state === 'chunk' || state === 'until closed') {
      const body = state === 'until closed' ? input : input.subarray(0, remaining)
      remaining -= body.length
      onBody(body)
      if (state === 'chunk' && remaining === 0) state = 'chunk end'
      if (state === 'length' && remaining === 0) end()
      return input.subarray(body.length)
    }
    const separator = state === 'head' ? '\r\n\r\n' : '\r\n'
    const at = input.indexOf(separator)
    if (at === -1) {
      pending = input
      return null
    }
    if (state === 'head') readHead(input.toString('latin1', 0, at))
    else readLine(input, at)
    return input.subarray(at + separator.length)
  }

  function readHead(head: string): void {
    reader.status = Number(/^HTTP\/1\.[01] (\d{3})/.exec(head)?.[1] ?? Number.NaN)
    if (Number.isNaN(reader.status)) throw new Error(`not an answer of HTTP/1.1: ${head.slice(0, 60)}`)
    reader.isEnded = false
    const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1]
    remaining = Number(length ?? 0)
    if (/\r\ntransfer-encoding: *chunked/i.test(head)) state = 'chunk size'
    else if (length === undefined) state = 'until closed'
    else if (remaining > 0) state = 'length'
    else end()
  }

  function readLine(input: Buffer, length: number): void {
    if (state === 'chunk end') {
      state = 'chunk size'
    } else if (state === 'trailer') {
      if (length === 0) end()
    } else {
      remaining = Number.parseInt(input.toString('latin1', 0, length), 16)
      if (Number.isNaN(remaining)) throw new Error(`not a chunk of HTTP/1.1: ${input.toString('latin1', 0, 60)}`)
      state = remaining === 0 ? 'trailer' : 'chunk'
    }
  }

  function end(): void {
    state = 'head'
    reader.isEnded = true
  }

  function close(): void {
    if (state === 'until closed') end()
  }
}
