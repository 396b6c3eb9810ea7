import { expect, test } from 'bun:test'
import { adminKey, createFolder, runProgram, startProgram } from '../helpers/program.ts'

const configFile = `{
  "accounts": [{ "email": "alice@example.com", "password": "secret-of-alice" }],
  "api_access_token": "sk-client-of-the-program-tests",
  // with a comment
  "FLASK_DEBUG": true
}`
// Nothing may leave the machine.
const nowhere = 'http://127.0.0.1:9'
const environment = { ADMIN_KEY: adminKey, ONDEMAND_CLIENT_BASE: nowhere, ONDEMAND_AUTH_BASE: nowhere }
const today = new Date().toISOString().slice(0, 10)
const statistics = JSON.stringify({
  total_requests: 5,
  successful_requests: 4,
  failed_requests: 1,
  model_usage: { 'gpt-4o': 4 },
  account_usage: { 'alice@example.com': 4 },
  daily_usage: { [today]: 4 },
  hourly_usage: { [`${today} 00:00`]: 4 },
  total_prompt_tokens: 300,
  total_completion_tokens: 100,
  total_tokens: 400,
  model_tokens: { 'gpt-4o': 400 },
})

test('OnDemand-API-Proxy: where its files are, the gateway starts and takes its statistics over once', async () => {
  await using folder = await createFolder({ 'config.json': configFile, 'stats_data.json': statistics })
  const start = { folder, from: 'source', environment } as const
  for (const isFirst of [true, false]) {
    await using gateway = await startProgram(start)
    const taken = gateway.log().filter(({ event }) => event === 'statistics taken over')
    expect(taken.map(({ requests }) => requests)).toEqual(isFirst ? [5] : [])
    const debug = gateway.log().filter((line) => JSON.stringify(line).includes('FLASK_DEBUG'))
    expect(debug).toHaveLength(1)
    const stats = await (await gateway.admin('/stats')).text()
    expect(JSON.parse(stats)).toMatchObject({ totals: { requests: 5, succeeded: 4, failed: 1, input_tokens: 300 } })
    expect(stats).toContain('a***@example.com')
    expect(stats + gateway.stdout()).not.toContain('alice@')
    expect(stats + gateway.stdout()).not.toContain('secret-of-alice')
    gateway.signal('SIGTERM')
    await gateway.ended()
  }
})

test.each(['nonsense', '{"other": 1}', '[]'])(
  'a statistics file such as %s is a line in the log, not a failed start',
  async (text) => {
    await using folder = await createFolder({ 'config.json': configFile, 'stats_data.json': text })
    await using gateway = await startProgram({ folder, from: 'source', environment })
    const lines = gateway.log().filter(({ event }) => String(event).startsWith('statistics'))
    expect(lines).toEqual([expect.objectContaining({ level: 'warn', file: folder.at('stats_data.json') })])
  },
)

test('OnDemand2API: its two variables are all that is needed, and its published key is refused', async () => {
  await using folder = await createFolder()
  const environment = { ONDEMAND_APIKEYS: 'key-one, key-two', PRIVATE_KEY: 'a-private-key-of-mine' }
  const good = await runProgram({ folder, words: ['check'], from: 'source', environment })
  expect(good.status).toBe(0)
  const bad = await runProgram({
    folder,
    words: ['check'],
    from: 'source',
    environment: { ...environment, PRIVATE_KEY: 'testofli' },
  })
  expect(bad.status).toBe(1)
  expect(bad.stdout + bad.stderr).toContain('environment PRIVATE_KEY: is a published example')
})
