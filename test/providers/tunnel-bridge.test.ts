/** The bridge alone: nobody else may use it, nothing waits in it for ever, and it goes when it is no longer needed. */
import { expect, test } from 'bun:test'
import { existsSync, rmSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { createHttpClient } from '../../src/providers/http-client.ts'
import { readProxyAddress } from '../../src/providers/open-tunnel.ts'
import { createProxy } from '../../src/providers/proxy.ts'
import { createTunnelBridge, type TunnelBridge } from '../../src/providers/tunnel-bridge.ts'
import { upstreamFetch } from '../../src/providers/upstream-fetch.ts'
import { startHttpProxy } from '../helpers/http-proxy.ts'
import { startSocksProxy } from '../helpers/socks-proxy.ts'
import { until } from '../helpers/start-pair.ts'

const kinds = { http: startHttpProxy, socks5h: startSocksProxy } as const
const target = new URL('http://upstream.test:1')

function bridgeTo(kind: string, port: number, limits = { openMs: 5000, maxConnections: 10 }): TunnelBridge {
  return createTunnelBridge(readProxyAddress(`${kind}://127.0.0.1:${port}`), limits)
}

async function failureOf(bridge: TunnelBridge, signal: AbortSignal | null = null): Promise<string | null> {
  const unix = await bridge.open(target)
  await expect(fetch(target, { unix, signal })).rejects.toThrow()
  return bridge.takeFailure(target)
}

test('nobody else may enter the directory of its sockets', async () => {
  const bridge = bridgeTo('http', 1)
  const directory = dirname(await bridge.open(target))
  expect(statSync(directory).mode & 0o777).toBe(0o700)
  bridge.close()
  expect(existsSync(directory)).toBe(false)
})

for (const [kind, start] of Object.entries(kinds)) {
  test(`a proxy of ${kind} that is silent is given up`, async () => {
    await using proxy = await start({ fault: 'hang' })
    const bridge = bridgeTo(kind, proxy.port, { openMs: 50, maxConnections: 10 })
    expect(await failureOf(bridge)).toBe('proxy_timeout')
    expect(bridge.takeFailure(target)).toBeNull()
    await until(() => proxy.open() === 0)
    bridge.close()
  })

  test(`a call that ends while a proxy of ${kind} is silent lets go of it`, async () => {
    await using proxy = await start({ fault: 'hang' })
    const bridge = bridgeTo(kind, proxy.port)
    const controller = new AbortController()
    const failure = failureOf(bridge, controller.signal)
    await until(() => proxy.open() === 1)
    controller.abort()
    expect(await failure).toBeNull()
    await until(() => proxy.open() === 0)
    bridge.close()
  })
}

test('a SOCKS proxy that is silent before its last word is given up', async () => {
  await using proxy = await startSocksProxy({ fault: 'hang_after_login' })
  const bridge = bridgeTo('socks5h', proxy.port, { openMs: 50, maxConnections: 10 })
  expect(await failureOf(bridge)).toBe('proxy_timeout')
  bridge.close()
})

test('what is no HTTP proxy is told from one that refuses', async () => {
  await using proxy = await startHttpProxy({ fault: 'garbage' })
  const bridge = bridgeTo('http', proxy.port)
  expect(await failureOf(bridge)).toBe('proxy_protocol_error')
  bridge.close()
})

test('more connections than it may have are refused', async () => {
  await using proxy = await startSocksProxy({ fault: 'hang' })
  const bridge = bridgeTo('socks5h', proxy.port, { openMs: 5000, maxConnections: 1 })
  const controller = new AbortController()
  const first = failureOf(bridge, controller.signal)
  await until(() => proxy.open() === 1)
  expect(await failureOf(bridge)).toBe('proxy_cannot_connect')
  controller.abort()
  await first
  bridge.close()
})

test('closed, it leaves nothing behind; what began before may use it until its last connection ends', async () => {
  await using proxy = await startSocksProxy({ fault: 'hang' })
  const bridge = bridgeTo('socks5h', proxy.port)
  const before = await bridge.open(target)
  bridge.close()
  expect(existsSync(dirname(before))).toBe(false)
  const controller = new AbortController()
  const failure = failureOf(bridge, controller.signal)
  await until(() => proxy.open() === 1)
  const after = await bridge.open(target)
  expect(existsSync(after)).toBe(true)
  controller.abort()
  await failure
  await until(() => !existsSync(dirname(after)))
})

test('a directory that somebody has removed is made anew', async () => {
  await using upstream = Bun.serve({ port: 0, hostname: '127.0.0.1', fetch: () => new Response('whole') })
  await using socks = await startSocksProxy()
  const proxy = createProxy({ url: `socks5h://127.0.0.1:${socks.port}`, bypass: [] })
  const connections = { client: createHttpClient(), fetch, isHttp2: false, proxy, close: proxy.close }
  const request = {
    url: upstream.url.href,
    method: 'GET',
    headers: {},
    body: null,
    signal: new AbortController().signal,
  }
  const route = await proxy.routeTo(request.url)
  const via = route?.via
  rmSync(dirname(via?.kind === 'socket' ? via.path : ''), { recursive: true })
  const answer = await upstreamFetch(request, connections)
  expect(Buffer.from(await answer.bytes()).toString()).toBe('whole')
  proxy.close()
})

test('an answer that nobody takes is not read on', async () => {
  let sent = 0
  const piece = new Uint8Array(65_536)
  await using upstream = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    fetch: () =>
      new Response(
        new ReadableStream({
          pull(controller) {
            sent += piece.length
            if (sent > 400_000_000) controller.close()
            else controller.enqueue(piece)
            return Bun.sleep(0)
          },
        }),
      ),
  })
  await using proxy = await startSocksProxy()
  const bridge = bridgeTo('socks5h', proxy.port)
  const url = new URL(upstream.url)
  const controller = new AbortController()
  const answer = await fetch(url, { unix: await bridge.open(url), signal: controller.signal })
  const reader = answer.body?.getReader()
  await reader?.read()
  let before = -1
  await until(() => {
    const isStill = sent === before
    before = sent
    return isStill
  })
  expect(sent).toBeLessThan(100_000_000)
  controller.abort()
  bridge.close()
})
