import { expect, test } from 'bun:test'
import { databaseFileName, openDatabase } from '../../src/stores/database.ts'
import { chatRequest } from '../helpers/program.ts'
import { tokensOf } from '../helpers/token-encoders.ts'
import { goodSecret, startService } from './start-with.ts'

const text = 'Counted in the binary: 世界, Łódź.'

test('the binary counts what no upstream counted, also when it is told to end while it does', async () => {
  await using service = await startService({ credentials: { [goodSecret]: { kind: 'good', usage: 'never', text } } })
  const { gateway, folder } = service
  for (const stream of [true, false])
    for (const model of ['gpt-4o', 'gpt-4'])
      expect(await (await gateway.call('/v1/chat/completions', chatRequest({ stream, model }))).text()).not.toBe('')
  gateway.signal('SIGTERM')
  expect(await gateway.ended(4000)).toBe(0)
  const path = folder.at(`data/${databaseFileName}`)
  const database = openDatabase(path, { role: 'tool', timezone: 'UTC', maxModels: 10, maxPages: null })
  const { records } = database.requests({ limit: 10 })
  database.close()
  expect(records).toHaveLength(4)
  for (const { model, usage, usageSource, outcome } of records)
    expect([outcome, usageSource, usage.outputTokens]).toEqual(['succeeded', 'counted', tokensOf(text, model)])
}, 20_000)
