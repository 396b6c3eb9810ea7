/** An answer that is no HTTP. The codes are those that the runtime's `fetch` has for the same faults (Bun 1.4.5). */
export class HttpProtocolError extends Error {
  readonly code: HttpProtocolCode

  constructor(code: HttpProtocolCode) {
    super('the answer is no proper HTTP/1.1')
    this.name = 'HttpProtocolError'
    this.code = code
  }
}

export type HttpProtocolCode =
  | 'Malformed_HTTP_Response'
  | 'InvalidContentLength'
  | 'InvalidTransferEncoding'
  | 'InvalidHTTPResponse'
  | 'UnrequestedUpgrade'
