/**
 * `fetch` towards an upstream: header hygiene, no redirects, failures named. Deadlines are the caller's: they are in the
 * attempt's signal, whose reason is the error to throw. What a status means is the provider's business.
 */
import { UpstreamError } from '../errors.ts'
import type { Connections } from './connections.ts'
import type { OutboundProxy } from './proxy.ts'

export interface UpstreamRequest {
  readonly url: string
  readonly method: string
  readonly headers: Record<string, string>
  readonly body: Uint8Array<ArrayBuffer> | null
  readonly signal: AbortSignal
}

/** Any answer, whatever its status. Throws UpstreamError `unreachable` or `proxy_failed`, or the signal's reason. */
export async function upstreamFetch(request: UpstreamRequest, connections: Connections): Promise<Response> {
  const options: BunFetchRequestInit = {
    method: request.method,
    headers: request.headers,
    body: request.body,
    signal: request.signal,
    redirect: 'manual',
    // Bytes pass as upstream sent them; this also leaves out `accept-encoding`.
    decompress: false,
    proxy: false,
    // The runtime's own five minutes would cut what our deadlines allow.
    timeout: false,
  }
  if (connections.isHttp2) options.protocol = 'http2'
  if (connections.proxy !== null) return proxiedFetch(request, options, { connections, proxy: connections.proxy })
  try {
    return await connections.fetch(request.url, options)
  } catch (cause) {
    throw connectionError(cause, request.signal)
  }
}

async function proxiedFetch(
  { url, signal }: UpstreamRequest,
  options: BunFetchRequestInit,
  { connections, proxy }: { readonly connections: Connections; readonly proxy: OutboundProxy },
): Promise<Response> {
  for (let tries = 1; ; tries++) {
    const route = await proxy.routeTo(url)
    try {
      const response = await connections.fetch(url, route === null ? options : { ...options, ...route.options })
      const refusal = route?.refusalOf(response) ?? null
      if (refusal === null) return response
      response.body?.cancel().catch(() => {})
      throw refusal
    } catch (cause) {
      if (signal.aborted) throw connectionError(cause, signal)
      if (route === null || tries >= maxTries || !route.isTooEarly(cause))
        throw route?.failureOf(cause) ?? connectionError(cause, signal)
    }
    await Bun.sleep(tries)
  }
}

/** With a pause that grows by a millisecond each time: two seconds. */
const maxTries = 60

/** Reads at most `maxBytes`; the rest is given up. Throws as upstreamFetch does. */
export async function readBounded(
  response: Response,
  maxBytes: number,
  signal: AbortSignal,
): Promise<Uint8Array<ArrayBuffer>> {
  const reader = decodedBody(response)?.getReader()
  if (reader === undefined) return new Uint8Array()
  const parts: Uint8Array[] = []
  let size = 0
  try {
    while (size < maxBytes) {
      const { done, value } = await reader.read()
      if (done) break
      parts.push(value)
      size += value.byteLength
    }
  } catch (cause) {
    throw connectionError(cause, signal)
  } finally {
    reader.cancel().catch(() => {})
  }
  return new Uint8Array(Buffer.concat(parts).subarray(0, maxBytes))
}

/** The body in plain: an upstream may compress although it was not asked to. */
export function decodedBody(response: Response): ReadableStream<Uint8Array<ArrayBuffer>> | null {
  const encoding = response.headers.get('content-encoding')?.trim().toLowerCase() ?? ''
  const format = decompressions[encoding]
  if (response.body === null || format === undefined) return response.body
  return response.body.pipeThrough(new DecompressionStream(format))
}

const decompressions: Record<string, Bun.CompressionFormat> = {
  gzip: 'gzip',
  'x-gzip': 'gzip',
  deflate: 'deflate',
  br: 'brotli',
  zstd: 'zstd',
}

/** Names a failure of fetch or of reading its body. */
export function connectionError(cause: unknown, signal: AbortSignal): UpstreamError {
  if (signal.aborted && signal.reason instanceof UpstreamError) return signal.reason
  if (cause instanceof UpstreamError) return cause
  const code = connectionErrorCode(cause)
  return new UpstreamError('unreachable', `no connection to the upstream (${code})`, { code, cause })
}

function connectionErrorCode(cause: unknown): string {
  if (!(cause instanceof Error)) return 'unknown'
  const { code } = cause as { code?: unknown }
  return typeof code === 'string' && /^[\w-]{1,60}$/.test(code) ? code : cause.name
}

/** Headers of a client's request that never reach an upstream: hop by hop, ours, or the client's own business. */
const droppedRequestHeaders = new Set([
  ...['connection', 'keep-alive', 'te', 'trailer', 'transfer-encoding', 'upgrade', 'expect'],
  ...['host', 'content-length', 'accept-encoding', 'authorization', 'x-api-key', 'api-key', 'cookie'],
  ...['origin', 'referer', 'forwarded', 'via', 'x-real-ip', 'true-client-ip', 'x-request-id'],
  // They name the account behind a key; with a pool of keys the client cannot know it.
  ...['openai-organization', 'openai-project'],
])

const droppedRequestPrefixes = /^(?:proxy-|sec-|x-forwarded-|cf-|access-control-)/

export function requestHeaders(headers: Headers): Record<string, string> {
  const kept: Record<string, string> = {}
  const all = headers.toJSON() as Record<string, string>
  // What `connection` names is for us alone (RFC 9110 7.6.1).
  const hops = all.connection?.toLowerCase().split(/[\s,]+/) ?? []
  for (const name in all) {
    if (!droppedRequestHeaders.has(name) && !droppedRequestPrefixes.test(name) && !hops.includes(name))
      kept[name] = all[name] as string
  }
  return kept
}

/** Headers of an upstream's answer that reach the client: those about the body. The rest speaks of the upstream account. */
const keptResponseHeaders = [
  ...['content-type', 'content-disposition', 'content-language', 'content-range', 'accept-ranges'],
  ...['etag', 'last-modified', 'openai-processing-ms', 'openai-version'],
  // Ours, from a provider that converts: what it could not honour.
  'x-any2api-dropped',
]

export function responseHeaders(headers: Headers): Record<string, string> {
  const kept: Record<string, string> = {}
  for (const name of keptResponseHeaders) {
    const value = headers.get(name)
    if (value !== null) kept[name] = value
  }
  return kept
}
