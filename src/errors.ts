/** The two errors of the program: what a client is told, and what went wrong at an upstream. Rendering is `app.ts`'s business. */
import type { FailureKind } from './domain.ts'

/** Told to the client in OpenAI's shape. The message is for the client; the cause is for the log and never shown. */
export class GatewayError extends Error {
  readonly code: string
  readonly status: number
  readonly type: string
  readonly param: string | null
  readonly headers: Readonly<Record<string, string>>

  constructor(code: string, message: string, options: GatewayErrorOptions) {
    super(message, { cause: options.cause })
    this.name = 'GatewayError'
    this.code = code
    this.status = options.status
    this.type = options.type ?? errorType(options.status)
    this.param = options.param ?? null
    this.headers = options.headers ?? {}
  }
}

export interface GatewayErrorOptions {
  readonly status: number
  readonly type?: string
  readonly param?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly cause?: unknown
}

/** A failed attempt at an upstream. */
export class UpstreamError extends Error {
  readonly kind: FailureKind
  /** Upstream's HTTP status; 0 when there was no answer. */
  readonly status: number
  /** Machine word from upstream's body, or our own. */
  readonly code: string
  /** When the limit ends, in milliseconds from now; null when upstream did not say. */
  readonly retryAfterMs: number | null
  /** Upstream's error body with our secrets cut out; null when there was none. */
  readonly body: UpstreamErrorBody | null
  /** Upstream limits by model: only that model rests, not the whole credential. */
  readonly isModelScoped: boolean
  /** Upstream lets in nobody who comes from here, whatever the credential: it is left alone at once. */
  readonly isBlock: boolean

  constructor(kind: FailureKind, message: string, options: UpstreamErrorOptions = {}) {
    super(message, { cause: options.cause })
    this.name = 'UpstreamError'
    this.kind = kind
    this.status = options.status ?? 0
    this.code = options.code ?? kind
    this.retryAfterMs = options.retryAfterMs ?? null
    this.body = options.body ?? null
    this.isModelScoped = options.isModelScoped ?? false
    this.isBlock = options.isBlock ?? false
  }
}

export interface UpstreamErrorOptions {
  readonly status?: number
  readonly code?: string
  readonly retryAfterMs?: number | null
  readonly body?: UpstreamErrorBody | null
  readonly isModelScoped?: boolean
  readonly isBlock?: boolean
  readonly cause?: unknown
}

export interface UpstreamErrorBody {
  readonly contentType: string
  readonly bytes: Uint8Array<ArrayBuffer>
}

function errorType(status: number): string {
  if (status === 401) return 'authentication_error'
  if (status === 403) return 'permission_error'
  if (status === 429) return 'rate_limit_error'
  return status >= 500 ? 'server_error' : 'invalid_request_error'
}
