/** `GET /health` and `GET /health/ready`: whether the program runs, and whether it can serve. */
import type { Visitor } from '../access.ts'
import type { Gateway } from '../gateway/gateway.ts'
import type { Store } from '../stores/store.ts'
import { documentRoute } from './documentation.ts'

export interface HealthParts {
  readonly gateway: Gateway
  readonly store: Store
  readonly version: string
  /** Unix milliseconds. */
  readonly startedAt: number
  readonly now: () => number
}

export function health(parts: HealthParts) {
  return ({ visitor }: { visitor: Visitor }): Response => Response.json(healthBody(parts, visitor.isAdmin))
}

export function ready({ gateway }: HealthParts) {
  return (): Response => {
    const { counts } = gateway.status()
    const isReady = counts.healthy > 0
    const message = isReady ? 'ready' : 'no credential of any provider is usable'
    return Response.json({ status: isReady ? 'ok' : 'unavailable', message }, { status: isReady ? 200 : 503 })
  }
}

/** What users of the replaced programs read, and a few words more for the operator. */
export function healthBody({ gateway, store, version, startedAt, now }: HealthParts, isAdmin: boolean) {
  const uptimeSeconds = Math.max(0, (now() - startedAt) / 1000)
  const problem = store.problem()
  const body = {
    status: 'ok',
    message: problem === null ? 'running' : 'running; statistics are not being stored',
    time: new Date(now()).toISOString(),
    uptime: formatUptime(uptimeSeconds),
    uptime_seconds: Math.round(uptimeSeconds * 10) / 10,
    persistence: store.persistence,
  }
  if (!isAdmin) return body
  const { calls } = gateway.metrics.snapshot()
  return { ...body, version, requestCount: calls, keysStatus: gateway.status().counts }
}

/** `1d2h3m4s`, without leading zeros. */
export function formatUptime(seconds: number): string {
  const whole = Math.floor(seconds)
  const parts: [number, string][] = [
    [Math.floor(whole / 86_400), 'd'],
    [Math.floor(whole / 3600) % 24, 'h'],
    [Math.floor(whole / 60) % 60, 'm'],
    [whole % 60, 's'],
  ]
  const first = parts.findIndex(([value]) => value > 0)
  return (first < 0 ? parts.slice(3) : parts.slice(first)).map(([value, unit]) => `${value}${unit}`).join('')
}

export const healthDocumentation = documentRoute({
  tag: 'Operation',
  key: 'none',
  summary: 'Whether the program runs',
  description: 'With the admin key also `version`, `requestCount` and `keysStatus`.',
  answer: {
    description: 'It runs',
    example: {
      status: 'ok',
      message: 'running',
      time: '2030-01-01T10:05:01.000Z',
      uptime: '2h5m1s',
      uptime_seconds: 7501.2,
      persistence: 'sqlite',
    },
  },
})

export const readyDocumentation = documentRoute({
  tag: 'Operation',
  key: 'none',
  summary: 'Whether it can serve',
  answer: { description: 'At least one credential is usable', example: { status: 'ok', message: 'ready' } },
  otherAnswers: {
    503: {
      description: 'None is',
      example: { status: 'unavailable', message: 'no credential of any provider is usable' },
    },
  },
})
