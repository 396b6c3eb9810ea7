/** How a request is spelt in HTTP/1.1 (RFC 9112). What does not belong into a head is refused, so that nobody can write a second one. */

import type { StopSignal } from '../stop-signal.ts'
import { version } from '../version.ts'

export interface HttpRequest {
  readonly url: string
  readonly method: string
  /** Names in lower case. Framing, `host` unless given, and what every request has are added. */
  readonly headers: Readonly<Record<string, string>>
  /** In pieces, as they lie; null: none. They must not change until the answer is over. */
  readonly body: readonly Uint8Array[] | null
  readonly signal: StopSignal
  /** Default: straight to its address. */
  readonly via?: Via
}

/** A way that is not the upstream's address: a socket that leads there, or a proxy that is sent the request itself. */
export type Via =
  | { readonly kind: 'socket'; readonly path: string }
  | {
      readonly kind: 'proxy'
      /** Without brackets. */
      readonly hostname: string
      readonly port: number
      readonly isTls: boolean
      /** The header; null: none. */
      readonly authorization: string | null
    }

/** Where a URL leads, as it is needed for each request. */
export interface Target {
  readonly origin: string
  readonly isTls: boolean
  /** Without brackets. */
  readonly hostname: string
  readonly port: number
  /** The header. */
  readonly host: string
  /** With its query. */
  readonly path: string
}

/** Throws TypeError for what is no http or https URL. */
export function readTarget(text: string): Target {
  const url = new URL(text)
  const isTls = url.protocol === 'https:'
  if (!isTls && url.protocol !== 'http:') throw new TypeError('neither http nor https')
  const defaultPort = isTls ? 443 : 80
  return {
    origin: url.origin,
    isTls,
    hostname: url.hostname.replace(/^\[(.*)\]$/, '$1'),
    port: Number(url.port || defaultPort),
    host: url.host,
    path: url.pathname + url.search,
  }
}

export interface HeadParts {
  readonly target: Pick<Target, 'origin' | 'host' | 'path'>
  readonly bodyBytes: number
  /** Whether the connection may serve another request. */
  readonly isKept: boolean
}

const userAgent = `any2api/${version}`

/** Latin1 text, one character a byte. Throws TypeError for what cannot stand in a head; its message names no value. */
export function writeRequestHead(
  { method, headers, body, via }: HttpRequest,
  { target, bodyBytes, isKept }: HeadParts,
): string {
  if (!token.test(method) || method === 'CONNECT') throw new TypeError('no method for a request')
  let text = ''
  let host = target.host
  let hasAccept = false
  let hasUserAgent = false
  for (const name in headers) {
    const value = headers[name] as string
    if (!token.test(name)) throw new TypeError('no name of a header')
    if (forbiddenInValue.test(value)) throw new TypeError(`the header ${name} has what no header may have`)
    switch (name) {
      case 'host':
        host = value
        continue
      case 'content-length':
      case 'transfer-encoding':
      case 'connection':
        continue
      case 'accept':
        hasAccept = true
        break
      case 'user-agent':
        hasUserAgent = true
    }
    text += `${name}: ${value}\r\n`
  }
  if (!hasAccept) text += 'accept: */*\r\n'
  if (!hasUserAgent) text += `user-agent: ${userAgent}\r\n`
  if (body !== null || !bodyless.has(method)) text += `content-length: ${bodyBytes}\r\n`
  text += isKept ? 'connection: keep-alive\r\n' : 'connection: close\r\n'
  if (via?.kind !== 'proxy') return `${method} ${target.path} HTTP/1.1\r\nhost: ${host}\r\n${text}\r\n`
  if (via.authorization !== null) text += `proxy-authorization: ${via.authorization}\r\n`
  return `${method} ${target.origin}${target.path} HTTP/1.1\r\nhost: ${host}\r\n${text}\r\n`
}

const token = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
/** Also what is more than a byte: cut to one it could be anything. */
const forbiddenInValue = /[^\t\x20-\x7e\x80-\xff]/
/** Of others a missing body is an empty one. */
const bodyless = new Set(['GET', 'HEAD', 'DELETE', 'OPTIONS', 'TRACE'])
