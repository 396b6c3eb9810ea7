import { afterAll, beforeEach, expect, test } from 'bun:test'
import { startOpenAiSimulator } from '../../src/simulator/openai.ts'
import { chatRequest, clientKey, createFolder, runProgram, startProgram } from '../helpers/program.ts'
import { goodSecret } from './start-with.ts'

const upstream = startOpenAiSimulator({ credentials: { [goodSecret]: { kind: 'good' } } })
beforeEach(upstream.reset)
afterAll(upstream.stop)

const serviceOfOpenAi = { BASE_URL: upstream.origin, UPSTREAM_API_KEY: goodSecret, APIKEY: clientKey }

test('the environment of scira2api serves any OpenAI-compatible service, as its README promised', async () => {
  await using folder = await createFolder()
  const environment = { ...serviceOfOpenAi, MODEL_MAPPINGS: 'gpt-4o:gpt-4o-mini', RATE_LIMIT_ENABLED: 'F' }
  await using gateway = await startProgram({ folder, environment })
  const first = await gateway.chat()
  expect(first.status).toBe(200)
  expect(upstream.requests.map(({ path, json }) => [path, (json() as { model: string }).model])).toEqual([
    ['/v1/chat/completions', 'gpt-4o-mini'],
  ])
  // Its cache: the same call is not asked again, one with another parameter is.
  expect((await gateway.chat()).text).toBe(first.text)
  expect(upstream.requests).toHaveLength(1)
  expect((await gateway.chat({ temperature: 0.5 })).status).toBe(200)
  expect(upstream.requests).toHaveLength(2)
  expect((await fetch(`${gateway.url}/v1/models`)).status).toBe(200)
  expect((await gateway.chat({}, 'sk-of-somebody-else-00001')).status).toBe(401)
})

test('its limit answers at once with the time to wait', async () => {
  await using folder = await createFolder()
  const environment = { ...serviceOfOpenAi, REQUESTS_PER_SECOND: '0.01', BURST: '2', CACHE_ENABLED: 'false' }
  await using gateway = await startProgram({ folder, environment })
  expect((await gateway.chat()).status).toBe(200)
  expect((await gateway.chat()).status).toBe(200)
  const refused = await gateway.call('/v1/chat/completions', chatRequest())
  expect(refused.status).toBe(429)
  const waitSeconds = Number(refused.headers.get('retry-after'))
  expect(waitSeconds).toBeGreaterThan(60)
  expect(waitSeconds).toBeLessThanOrEqual(100)
})

test('its sample file is all that is needed for Scira', async () => {
  const sample =
    'PORT=8080\nAPIKEY=\nBASE_URL=https://scira.ai/\nCLIENT_TIMEOUT=300\nRETRY=1\nHTTP_PROXY=\nSOCKS5_PROXY=\n'
  await using folder = await createFolder({ '.env': sample })
  const { status, stdout } = await runProgram({ folder, words: ['check'], environment: { PORT: undefined } })
  expect(status).toBe(0)
  for (const line of ['type: scira', 'port: 8080', 'first_byte: 5m', 'max_attempts: 1', 'rps: 1', 'burst: 10'])
    expect(stdout).toContain(`${line}\n`)
})
