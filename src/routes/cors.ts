/** Lets browsers of the configured origins call the gateway. Preflights are answered before access is checked: they carry no key. */
export interface Cors {
  /** The answer to a preflight; null when the request is none. */
  answerPreflight(request: Request): Response | null
  addHeaders(request: Request, headers: Headers | Record<string, unknown>): void
}

const maxAgeSeconds = 86_400
const exposed = [
  'x-request-id',
  'retry-after',
  'retry-after-ms',
  'x-any2api-dropped',
  'x-any2api-cache',
  'x-ratelimit-limit-requests',
  'x-ratelimit-remaining-requests',
  'x-ratelimit-reset-requests',
].join(', ')

export function createCors(origins: () => readonly string[]): Cors {
  function originFor(request: Request): string | null {
    const allowed = origins()
    if (allowed.length === 0) return null
    const origin = request.headers.get('origin')
    if (origin === null) return null
    if (allowed.includes('*')) return '*'
    return allowed.includes(origin) ? origin : null
  }

  return {
    answerPreflight(request) {
      if (request.method !== 'OPTIONS') return null
      const method = request.headers.get('access-control-request-method')
      const origin = originFor(request)
      if (method === null || origin === null) return null
      const headers = new Headers({
        'access-control-allow-origin': origin,
        'access-control-allow-methods': 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS',
        'access-control-allow-headers':
          request.headers.get('access-control-request-headers') ?? 'authorization, content-type, x-api-key',
        'access-control-max-age': String(maxAgeSeconds),
        vary: 'origin, access-control-request-headers',
      })
      return new Response(null, { status: 204, headers })
    },
    addHeaders(request, headers) {
      const origin = originFor(request)
      if (origin === null) return
      const set = (name: string, value: string) => {
        if (headers instanceof Headers) headers.set(name, value)
        else headers[name] = value
      }
      set('access-control-allow-origin', origin)
      set('access-control-expose-headers', exposed)
      if (origin !== '*') set('vary', 'origin')
    },
  }
}
