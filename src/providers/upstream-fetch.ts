/**
 * A request towards an upstream, by whatever way leads there: header hygiene, no redirects, failures named. Deadlines are the caller's:
 * they are in the attempt's signal, whose reason is the error to throw. What a status means is the provider's business.
 */

import { type StopSignal, toAbortSignal } from '../stop-signal.ts'
import { connectionError } from './connection-error.ts'
import type { Connections } from './connections.ts'
import type { HttpClient } from './http-client.ts'
import type { HttpRequest } from './http-request.ts'
import type { OutboundProxy } from './proxy.ts'
import type { AnswerBody, AnswerHeaders, AnswerReader, UpstreamResponse } from './upstream-response.ts'

/** Any answer, whatever its status. Rejects with UpstreamError `unreachable` or `proxy_failed`, or the signal's reason. */
export function upstreamFetch(request: HttpRequest, connections: Connections): Promise<UpstreamResponse> {
  if (connections.isHttp2) return fetchHttp2(request, connections)
  if (connections.proxy !== null) return proxiedFetch(request, { client: connections.client, proxy: connections.proxy })
  return connections.client.send(request)
}

async function fetchHttp2(request: HttpRequest, connections: Connections): Promise<Response> {
  const { url, method, headers, body, signal } = request
  try {
    return await connections.fetch(url, {
      protocol: 'http2',
      method,
      headers,
      body: body === null ? null : Buffer.concat(body),
      signal: toAbortSignal(signal),
      redirect: 'manual',
      // Bytes pass as upstream sent them; this also leaves out `accept-encoding`.
      decompress: false,
      proxy: false,
      // The runtime's own five minutes would cut what our deadlines allow.
      timeout: false,
    })
  } catch (cause) {
    throw connectionError(cause, signal)
  }
}

async function proxiedFetch(
  request: HttpRequest,
  { client, proxy }: { readonly client: HttpClient; readonly proxy: OutboundProxy },
): Promise<UpstreamResponse> {
  const { url, signal } = request
  for (let tries = 1; ; tries++) {
    const route = await proxy.routeTo(url)
    if (route === null) return client.send(request)
    try {
      const response = await client.send({ ...request, via: route.via })
      const refusal = route.refusalOf(response)
      if (refusal === null) return response
      response.body?.cancel().catch(() => {})
      throw refusal
    } catch (cause) {
      if (signal.aborted) throw connectionError(cause, signal)
      if (tries >= maxTries || !route.isTooEarly(cause)) throw route.failureOf(cause) ?? connectionError(cause, signal)
    }
    await Bun.sleep(tries)
  }
}

/** With a pause that grows by a millisecond each time: two seconds. */
const maxTries = 60

/** Reads at most `maxBytes`; the rest is given up. Throws as upstreamFetch does. */
export async function readBounded(
  response: UpstreamResponse,
  maxBytes: number,
  signal: StopSignal,
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
export function decodedBody({ headers, body }: UpstreamResponse): AnswerBody | null {
  const encoding = headers.get('content-encoding')?.trim().toLowerCase() ?? ''
  const format = decompressions[encoding]
  if (body === null || format === undefined) return body
  const stream = body instanceof ReadableStream ? body : streamOf(body.getReader())
  return stream.pipeThrough(new DecompressionStream(format))
}

function streamOf(reader: AnswerReader): ReadableStream<Uint8Array<ArrayBuffer>> {
  return new ReadableStream({
    async pull(controller) {
      const { done, value } = await reader.read()
      if (done) controller.close()
      else controller.enqueue(value)
    },
    cancel: () => reader.cancel(),
  })
}

const decompressions: Record<string, Bun.CompressionFormat> = {
  gzip: 'gzip',
  'x-gzip': 'gzip',
  deflate: 'deflate',
  br: 'brotli',
  zstd: 'zstd',
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

export function responseHeaders(headers: AnswerHeaders): Record<string, string> {
  const kept: Record<string, string> = {}
  for (const name of keptResponseHeaders) {
    const value = headers.get(name)
    if (value !== null) kept[name] = value
  }
  return kept
}
