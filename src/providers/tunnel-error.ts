/** Why a proxy opened no tunnel. */

/** The code is a word of `proxy.ts` where it is the proxy's fault, that of a connection error where it is the upstream's. */
export class TunnelError extends Error {
  readonly code: string

  constructor(code: string, options: ErrorOptions = {}) {
    super(`no tunnel (${code})`, options)
    this.name = 'TunnelError'
    this.code = code
  }
}
