/** Reads HTTP/1.1 requests out of the bytes of one connection, keeping names, order and repetition of headers. */

/** Takes bytes as they come. Bodies are copied: they outlive the connection. */
export function createRequestParser(): RequestParser {
  let pieces: Uint8Array[] = []
  let pendingBytes = 0
  let head: ParsedHead | null = null

  function take(): Buffer {
    const first = pieces[0]
    const all = pieces.length === 1 && first !== undefined ? first : Buffer.concat(pieces)
    pieces = [all]
    return Buffer.from(all.buffer, all.byteOffset, all.byteLength)
  }

  function drop(countBytes: number): void {
    const rest = take().subarray(countBytes)
    pieces = rest.length > 0 ? [rest] : []
    pendingBytes = rest.length
  }

  function readBody(whole: ParsedHead): ReturnType<RequestParser['next']> {
    if (pendingBytes > MAX_BODY_BYTES) return 'malformed'
    if (!whole.isChunked) {
      // Joined only when complete: joining at each arrival would cost the square of a large body.
      if (pendingBytes < whole.lengthBytes) return null
      const body = new Uint8Array(take().subarray(0, whole.lengthBytes))
      return complete(whole, body, whole.lengthBytes)
    }
    const lastPiece = pieces.at(-1)
    // Not worth joining and decoding all over again before the last chunk can have come.
    if (lastPiece !== undefined && lastPiece.length >= 5 && !endsWithLastChunk(lastPiece)) return null
    const decoded = decodeChunked(take())
    if (decoded === null || decoded === 'malformed') return decoded
    return complete(whole, decoded.body, decoded.consumedBytes)
  }

  function complete(whole: ParsedHead, body: Uint8Array, consumedBytes: number): ParsedRequest {
    if (consumedBytes > 0) drop(consumedBytes)
    head = null
    return { method: whole.method, target: whole.target, headers: whole.headers, body }
  }

  return {
    push(bytes) {
      pieces.push(bytes)
      pendingBytes += bytes.length
    },
    next() {
      if (head !== null) return readBody(head)
      if (pendingBytes === 0) return null
      const bytes = take()
      const headEnd = bytes.indexOf('\r\n\r\n')
      if (headEnd < 0) return pendingBytes > MAX_HEAD_BYTES ? 'malformed' : null
      const parsed = parseHead(bytes.toString('latin1', 0, headEnd))
      if (parsed === null) return 'malformed'
      drop(headEnd + 4)
      head = parsed
      const isWaiting = pendingBytes === 0 && parsed.headers.some(([name]) => name.toLowerCase() === 'expect')
      return isWaiting ? 'continue' : readBody(parsed)
    },
  }
}

export interface RequestParser {
  readonly push: (bytes: Uint8Array) => void
  /** The next whole request; `continue` when the client waits for leave to send its body; null when more bytes are needed. */
  readonly next: () => ParsedRequest | 'continue' | 'malformed' | null
}

export interface ParsedRequest {
  readonly method: string
  readonly target: string
  readonly headers: readonly HeaderLine[]
  readonly body: Uint8Array
}

export type HeaderLine = readonly [name: string, value: string]

interface ParsedHead extends Omit<ParsedRequest, 'body'> {
  readonly isChunked: boolean
  readonly lengthBytes: number
}

/** Enough for any upload a test makes, little enough to notice a runaway one. */
const MAX_BODY_BYTES = 1024 * 1024 * 1024
const MAX_HEAD_BYTES = 1024 * 1024

function parseHead(text: string): ParsedHead | null {
  const [requestLine = '', ...lines] = text.split('\r\n')
  const [method, target, version] = requestLine.split(' ')
  if (method === undefined || target === undefined || version?.startsWith('HTTP/1.') !== true) return null
  const headers: HeaderLine[] = []
  let lengthBytes = 0
  let isChunked = false
  for (const line of lines) {
    const colon = line.indexOf(':')
    if (colon <= 0) return null
    const name = line.slice(0, colon)
    const value = line.slice(colon + 1).trim()
    headers.push([name, value])
    const lowerName = name.toLowerCase()
    if (lowerName === 'content-length') lengthBytes = Number(value)
    if (lowerName === 'transfer-encoding') isChunked = value.toLowerCase().includes('chunked')
  }
  return Number.isSafeInteger(lengthBytes) ? { method, target, headers, lengthBytes, isChunked } : null
}

function endsWithLastChunk(bytes: Uint8Array): boolean {
  return Buffer.from(bytes.subarray(-5)).toString('latin1') === '0\r\n\r\n'
}

function decodeChunked(bytes: Buffer): { body: Uint8Array; consumedBytes: number } | 'malformed' | null {
  const parts: Uint8Array[] = []
  let position = 0
  for (;;) {
    const lineEnd = bytes.indexOf('\r\n', position)
    if (lineEnd < 0) return null
    const sizeBytes = Number.parseInt(bytes.toString('latin1', position, lineEnd), 16)
    if (!Number.isSafeInteger(sizeBytes) || sizeBytes < 0) return 'malformed'
    const start = lineEnd + 2
    if (bytes.length < start + sizeBytes + 2) return null
    position = start + sizeBytes + 2
    if (sizeBytes === 0) return { body: new Uint8Array(Buffer.concat(parts)), consumedBytes: position }
    parts.push(bytes.subarray(start, start + sizeBytes))
  }
}
