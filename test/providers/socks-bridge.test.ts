/** The bridge alone: nobody else may use it, nothing waits in it for ever, and it goes when it is no longer needed. */
import { expect, test } from 'bun:test'
import { createSocksBridge } from '../../src/providers/socks-bridge.ts'
import { readSocksProxy } from '../../src/providers/socks-tunnel.ts'
import { startSocksProxy } from '../helpers/socks-proxy.ts'
import { until } from '../helpers/start-pair.ts'

function bridgeTo(port: number, limits = { openMs: 5000, maxConnections: 10 }) {
  return createSocksBridge(readSocksProxy(`socks5h://127.0.0.1:${port}`), limits)
}

/** What `fetch` throws, as the bridge named it. */
async function failureOf(bridge: ReturnType<typeof bridgeTo>, signal: AbortSignal | null = null): Promise<unknown> {
  const proxy = await bridge.open()
  const cause = await fetch('https://upstream.test/', { proxy, signal }).then(
    () => null,
    (thrown: unknown) => thrown,
  )
  return (cause as { headers?: Headers }).headers?.get(bridge.failureHeader) ?? cause
}

test('who does not know its secret cannot use it', async () => {
  await using proxy = await startSocksProxy()
  const bridge = bridgeTo(proxy.port)
  const { url } = await bridge.open()
  for (const headers of [{}, { 'proxy-authorization': 'Bearer x' }] as Record<string, string>[]) {
    const refused = await fetch('http://upstream.test/', { proxy: { url, headers, respectNoProxy: false } })
    expect(refused.headers.get(bridge.failureHeader)).toBe('proxy_auth_required')
  }
  expect(proxy.connections()).toBe(0)
  bridge.close()
})

for (const [where, fault] of [
  ['before its first word', 'hang'],
  ['before its last word', 'hang_after_login'],
] as const) {
  test(`a SOCKS proxy that is silent ${where} is given up`, async () => {
    await using proxy = await startSocksProxy({ fault })
    const bridge = bridgeTo(proxy.port, { openMs: 50, maxConnections: 10 })
    expect(await failureOf(bridge)).toBe('proxy_timeout')
    await until(() => proxy.open() === 0)
    bridge.close()
  })
}

test('a call that ends while the proxy is silent lets go of it', async () => {
  await using proxy = await startSocksProxy({ fault: 'hang' })
  const bridge = bridgeTo(proxy.port)
  const controller = new AbortController()
  const failure = failureOf(bridge, controller.signal)
  await until(() => proxy.open() === 1)
  controller.abort()
  expect(await failure).toHaveProperty('name', 'AbortError')
  await until(() => proxy.open() === 0)
  bridge.close()
})

test('more connections than it may have are refused', async () => {
  await using proxy = await startSocksProxy({ fault: 'hang' })
  const bridge = bridgeTo(proxy.port, { openMs: 5000, maxConnections: 1 })
  const controller = new AbortController()
  const first = failureOf(bridge, controller.signal)
  await until(() => proxy.open() === 1)
  expect(await failureOf(bridge)).toBe('proxy_cannot_connect')
  controller.abort()
  await first
  bridge.close()
})

for (const [what, sent] of [
  ['is no request of ours', 'GET / HTTP/1.1\r\nhost: x\r\n\r\n'],
  ['never ends its head', `CONNECT x:1 HTTP/1.1\r\nx: ${'y'.repeat(300_000)}`],
] as const) {
  test(`what ${what} is refused`, async () => {
    const bridge = bridgeTo(1)
    const { url } = await bridge.open()
    let received = ''
    const socket = await Bun.connect({
      hostname: '127.0.0.1',
      port: Number(new URL(url).port),
      socket: {
        data(_, bytes) {
          received += bytes.toString('latin1')
        },
      },
    })
    socket.write(sent)
    await until(() => received.includes('proxy_protocol_error'))
    socket.terminate()
    bridge.close()
  })
}

test('closed, it listens until its last connection ends, and no longer', async () => {
  await using proxy = await startSocksProxy({ fault: 'hang' })
  const bridge = bridgeTo(proxy.port)
  const { url } = await bridge.open()
  const isListening = () =>
    fetch('http://upstream.test/', { proxy: { url, headers: {}, respectNoProxy: false }, keepalive: false }).then(
      () => true,
      () => false,
    )
  const controller = new AbortController()
  const failure = failureOf(bridge, controller.signal)
  await until(() => proxy.open() === 1)
  bridge.close()
  expect(await isListening()).toBe(true)
  controller.abort()
  await failure
  await until(() => proxy.open() === 0)
  let isOver = false
  const watch = async () => {
    while (await isListening()) await Bun.sleep(20)
    isOver = true
  }
  await Promise.all([watch(), until(() => isOver)])
  // A call that began before a reload may need it once more.
  expect((await bridge.open()).url).not.toBe(url)
})
