/** The pages for people: home and Swagger UI, with nothing from another host. */
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { startGateway, type TestGateway, testConfig, testProvider } from '../helpers/start-gateway.ts'

let gateway: TestGateway
const provider = testProvider('http://127.0.0.1:9/v1', ['sk-upstream-secret-0001', 'sk-upstream-secret-0002'])

beforeAll(async () => {
  gateway = await startGateway({ config: testConfig([provider]) })
})

afterAll(() => gateway.stop())

const get = (path: string, headers: Record<string, string> = {}) => fetch(gateway.url + path, { headers })

test.each([
  ['text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8', 'text/html; charset=utf-8'],
  ['application/json', 'application/json;charset=utf-8'],
  ['*/*', 'application/json;charset=utf-8'],
])('/ answers Accept: %s with %s', async (accept, contentType) => {
  const response = await get('/', { accept })
  expect(response.headers.get('content-type')).toBe(contentType)
  expect(response.headers.get('vary')).toContain('accept')
})

test('/ tells a program what /health does, and the number of credentials', async () => {
  expect(await (await get('/')).json()).toMatchObject({ status: 'ok', message: 'running', keys: 2 })
})

test.each(['/', '/swagger'])('%s loads nothing from elsewhere and cannot be framed', async (path) => {
  const response = await get(path, { accept: 'text/html' })
  expect(response.status).toBe(200)
  const policy = response.headers.get('content-security-policy') ?? ''
  expect(policy).toStartWith("default-src 'self'; ")
  expect(policy).toContain("frame-ancestors 'none'")
  expect(policy).not.toMatch(/https?:|\*|unsafe-eval/)
  expect(policy).not.toMatch(/script-src [^;]*unsafe-inline/)
  expect(response.headers.get('x-content-type-options')).toBe('nosniff')
  expect(response.headers.get('referrer-policy')).toBe('no-referrer')
  const html = await response.text()
  expect(html).not.toMatch(/(?:src|href)="(?:https?:)?\/\//)
})

const files = [
  ['/swagger', 'text/html; charset=utf-8'],
  ['/swagger/json', 'application/json'],
  ['/swagger/swagger-ui-bundle.js', 'text/javascript; charset=utf-8'],
  ['/swagger/swagger-ui.css', 'text/css; charset=utf-8'],
  ['/swagger/start.js', 'text/javascript; charset=utf-8'],
  ['/swagger/style.css', 'text/css; charset=utf-8'],
  ['/favicon.ico', 'image/svg+xml'],
  ['/dashboard/app.js', 'text/javascript; charset=utf-8'],
  ['/dashboard/app.css', 'text/css; charset=utf-8'],
] as const

test.each(files)('%s is sent once and then confirmed by its ETag', async (path, contentType) => {
  const first = await get(path)
  expect(first.status).toBe(200)
  expect(first.headers.get('content-type')).toBe(contentType)
  expect((await first.bytes()).byteLength).toBeGreaterThan(100)
  const etag = first.headers.get('etag') ?? ''
  for (const given of [etag, `W/${etag}`, `"other", ${etag}`, '*']) {
    const again = await get(path, { 'if-none-match': given })
    expect([again.status, again.headers.get('etag'), await again.text()]).toEqual([304, etag, ''])
  }
  expect((await get(path, { 'if-none-match': '"other"' })).status).toBe(200)
})

test.each(['/', '/swagger'])('the page %s asks only for files that are there', async (path) => {
  const html = await (await get(path, { accept: 'text/html' })).text()
  const links = [...html.matchAll(/(?:src|href)="([^"]+)"/g)].map((match) => `/${match[1]}`)
  expect(links.length).toBeGreaterThan(2)
  for (const link of links) expect([link, (await get(link)).status]).toEqual([link, 200])
})

test('/swagger/ leads to /swagger', async () => {
  const response = await fetch(`${gateway.url}/swagger/`, { redirect: 'manual' })
  expect(response.status).toBe(308)
  expect(new URL(response.headers.get('location') ?? '', response.url).pathname).toBe('/swagger')
})

interface OpenApi {
  openapi: string
  paths: Record<string, Record<string, Operation>>
  components: Record<string, Record<string, unknown>>
}

interface Operation {
  operationId: string
  tags: string[]
  summary: string
  security: Record<string, string[]>[]
  responses: Record<string, unknown>
  requestBody?: { content: Record<string, { examples?: unknown; schema?: { required?: string[] } }> }
}

const readDocument = async () => (await (await get('/swagger/json')).json()) as OpenApi

test('every route is documented, with the key that opens it', async () => {
  const { paths, openapi } = await readDocument()
  expect(openapi).toBe('3.1.0')
  const undocumented = /^\/(?:swagger|favicon\.ico|dashboard|admin\/v1)|\*$/
  for (const { method, path } of gateway.app.routes) {
    if (undocumented.test(path)) continue
    expect(Object.keys(paths[path.replace(/:(\w+)/, '{$1}')] ?? {})).toContain(method.toLowerCase())
  }
  for (const path of ['/v1/models/{model}', '/v1/embeddings', '/v1/responses', '/v1/images/generations', '/v1/files']) {
    expect(paths).toHaveProperty([path])
  }
  const ids: string[] = []
  for (const [path, operations] of Object.entries(paths)) {
    for (const operation of Object.values(operations)) {
      ids.push(operation.operationId)
      const key = path.startsWith('/v1/') ? 'clientKey' : 'adminKey'
      const isSignIn = path === '/admin/session' && !operation.operationId.startsWith('delete')
      const isOpen = ['/', '/health', '/health/ready'].includes(path) || isSignIn
      expect(operation.security).toEqual(isOpen ? [] : [{ [key]: [] }])
      expect(operation.tags).toEqual([path.startsWith('/v1/') ? 'OpenAI API' : 'Operation'])
      expect(operation.summary).not.toBe('')
      expect(operation.responses).toHaveProperty('200')
      if (!isOpen) expect(operation.responses).toHaveProperty('401')
    }
  }
  expect(new Set(ids).size).toBe(ids.length)
})

test('the chat request is described by the schema it is checked against', async () => {
  const { paths } = await readDocument()
  const content = paths['/v1/chat/completions']?.post?.requestBody?.content['application/json']
  expect(content?.schema?.required).toEqual(['model', 'messages'])
  expect(content?.examples).toHaveProperty('stream')
})

test('every reference of the document leads somewhere', async () => {
  const document = await readDocument()
  const references = [...JSON.stringify(document).matchAll(/"\$ref":"#\/components\/(\w+)\/(\w+)"/g)]
  expect(references.length).toBeGreaterThan(20)
  for (const [, kind = '', name = ''] of references) expect(document.components[kind]).toHaveProperty(name)
})

test('switched off, the documentation is not there', async () => {
  const config = testConfig([provider])
  const one = await startGateway({ config: { ...config, server: { ...config.server, isSwaggerEnabled: false } } })
  for (const path of ['/swagger/', ...files.map(([name]) => name).filter((name) => name.startsWith('/swagger'))]) {
    const response = await fetch(one.url + path, { redirect: 'manual' })
    expect(response.status).toBe(404)
    expect(await response.json()).toMatchObject({ error: { code: 'not_found' } })
  }
  await one.stop()
})
