/** What is asked of Scira without a client: whether it lets us in. */
import { expect, test } from 'bun:test'
import { systemClock } from '../../../src/clock.ts'
import { createAnonymous, createCookie } from '../../../src/config/credential.ts'
import { createSciraProvider } from '../../../src/providers/scira/provider.ts'
import { startSciraSimulator } from '../../../src/simulator/scira.ts'
import { sciraProvider } from '../../helpers/start-scira.ts'

const signal = new AbortController().signal

test('a check spends no call: signed out it tells whether the web app is there, of a cookie nothing can be told', async () => {
  const upstream = startSciraSimulator({})
  try {
    const provider = createSciraProvider(sciraProvider(upstream.origin, []), systemClock)
    expect(await provider.recheck(createAnonymous('scira'), signal)).toBe(true)
    expect(provider.recheck(createCookie('scira', 'a=b'), signal)).rejects.toMatchObject({ status: 404 })
    expect(upstream.requests.map(({ method, path }) => `${method} ${path}`)).toEqual(['GET /', 'GET /'])
  } finally {
    upstream.stop()
  }
  const gone = createSciraProvider(sciraProvider(upstream.origin, []), systemClock)
  expect(gone.recheck(createAnonymous('scira'), signal)).rejects.toMatchObject({ kind: 'unreachable' })
})

test('a page that asks for a person fails the check', async () => {
  const page = Bun.serve({
    port: 0,
    fetch: () => new Response('<!doctype html>', { status: 403, headers: { 'content-type': 'text/html' } }),
  })
  try {
    const provider = createSciraProvider(sciraProvider(`http://127.0.0.1:${page.port}`, []), systemClock)
    expect(provider.recheck(createAnonymous('scira'), signal)).rejects.toMatchObject({ code: 'upstream_challenge' })
  } finally {
    page.stop(true)
  }
})
