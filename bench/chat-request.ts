/** The calls that are made: their bodies, and the head of the request for those who write HTTP themselves. */
import { pacedMark } from './mock-answers.ts'
import { clientKey, defaultModel, type Subject } from './subjects.ts'

export interface Call {
  readonly promptBytes: number
  readonly isStreamed?: boolean
  readonly isPaced?: boolean
  /** In place of the subject's own. */
  readonly model?: string
}

/** The client does not ask for usage: a gateway that wants to know it must ask itself, and take it out of the answer again. */
export function requestBody(subject: Subject, call: Call): string {
  const system = 'You are a helpful assistant.'
  return JSON.stringify({
    model: call.model ?? subject.model ?? defaultModel,
    messages: [
      { role: 'system', content: call.isPaced === true ? `${system} ${pacedMark}` : system },
      { role: 'user', content: prompt(call.promptBytes) },
    ],
    temperature: 0.7,
    max_tokens: 256,
    ...(call.isStreamed === true ? { stream: true } : {}),
  })
}

export function requestPath(subject: Subject): string {
  return subject.path ?? '/v1/chat/completions'
}

export function requestHeaders(subject: Subject): Record<string, string> {
  return {
    'content-type': 'application/json',
    ...(subject.headers ?? { authorization: `Bearer ${clientKey}` }),
  }
}

/** As it goes over the wire. */
export function rawRequest(subject: Subject, call: Call): string {
  const body = requestBody(subject, call)
  const headers = {
    host: `127.0.0.1:${subject.port}`,
    ...requestHeaders(subject),
    'content-length': Buffer.byteLength(body),
  }
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`)
  return `POST ${requestPath(subject)} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n${body}`
}

function prompt(bytes: number): string {
  const text = 'What is the difference between a "proxy" and a gateway,\nand when does it matter? '
  return text.repeat(Math.ceil(bytes / text.length)).slice(0, bytes)
}
