/** The pages of credentials, clients, trying and settings, driven in a browser. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { adminKey, chromiumPath, goodSecret, type Stand, startStand, tellWhenSkipped } from './browser.ts'

tellWhenSkipped('the pages of credentials, clients, trying and settings')

const pages = ['credentials', 'clients', 'try', 'settings'] as const
const deadlineMs = 20_000
let stand: Stand

describe.skipIf(chromiumPath === null)('in a browser', () => {
  beforeAll(async () => {
    stand = await startStand({ settings: { cache: { enabled: true } } })
    for (let call = 0; call < 3; call++) await stand.chat({ messages: [{ role: 'user', content: `Call ${call}` }] })
  }, deadlineMs)

  afterAll(() => stand[Symbol.asyncDispose](), deadlineMs)

  test(
    'a credential that is out comes back by its reset, and is paused and resumed',
    async () => {
      await using opened = await stand.open('credentials')
      const { page } = opened
      const row = page.locator('tr', { hasText: 'Blacklisted' })
      await row.getByRole('button', { name: 'Check' }).click()
      await row.getByText('It does not work.').waitFor()
      await row.getByRole('button', { name: 'Reset' }).click()
      await page.locator('td', { hasText: '1 available again' }).waitFor()
      await page.locator('tr', { hasText: 'Blacklisted' }).first().waitFor({ state: 'detached' })
      const first = page.locator('tbody tr').first()
      await first.getByRole('button', { name: 'Pause' }).click()
      await first.getByText('Paused by an operator').waitFor()
      await first.getByRole('button', { name: 'Resume' }).click()
      await first.getByText('Healthy').waitFor()
      expect(opened.complaints).toEqual([])
    },
    deadlineMs,
  )

  test(
    'a new key is shown once, works, and is refused after it was revoked',
    async () => {
      await using opened = await stand.open('clients')
      const { page } = opened
      await page.getByRole('button', { name: 'New key' }).click()
      await page.fill('input[name=name]', 'from-the-page')
      await page.fill('input[name=rpm]', 'many')
      await page.getByRole('button', { name: 'Create key' }).click()
      await page.getByText('rpm must be').waitFor()
      await page.fill('input[name=rpm]', '30')
      await page.getByRole('button', { name: 'Create key' }).click()
      const secret = (await page.locator('code.secret').textContent()) ?? ''
      expect(await statusWith(secret)).toBe(200)
      await page.getByRole('button', { name: 'Done' }).click()
      await page.locator('dialog').waitFor({ state: 'detached' })
      const row = page.locator('tr', { hasText: 'from-the-page' })
      await row.getByText('0 of 30').or(row.getByText('1 of 30')).waitFor()
      expect(await page.content()).not.toContain(secret)
      await row.getByRole('button', { name: 'Revoke' }).click()
      await page.locator('dialog').getByRole('button', { name: 'Revoke' }).click()
      await page.getByText('from-the-page is revoked').waitFor()
      expect(await statusWith(secret)).toBe(401)
      // The browser's own line on the wish that was refused above.
      expect(opened.complaints).toEqual([expect.stringContaining('400')])
    },
    deadlineMs,
  )

  test(
    'a conversation streams, goes on, and says what came of each call',
    async () => {
      await using opened = await stand.open('try')
      const { page } = opened
      await page.fill('input[name=model]', 'gpt-4o')
      for (const [turn, words] of ['First question', "Second question, with 'quotes'"].entries()) {
        await page.fill('textarea[name=message]', words)
        await page.keyboard.press('Control+Enter')
        const answer = page.locator('.answered').nth(turn)
        await answer.getByText('Complete').waitFor()
        expect(((await answer.locator('.content').textContent()) ?? '').length).toBeGreaterThan(0)
        expect(await answer.locator('.answer-foot').textContent()).toMatch(/First byte .+Total .+tokens in.+req_/)
      }
      const sent = stand.upstream.requests.at(-1)?.json() as { messages: { role: string }[] }
      expect(sent.messages.map(({ role }) => role)).toEqual(['user', 'assistant', 'user'])
      await page.getByRole('button', { name: 'Python' }).click()
      await page.locator('pre.code', { hasText: `base_url="${stand.url}/v1"` }).waitFor()
      expect(opened.complaints).toEqual([])
    },
    deadlineMs,
  )

  test(
    'an answer can be stopped, and one that its upstream breaks off is shown as cut',
    async () => {
      await using own = await startStand()
      await using opened = await own.open('try')
      const { page } = opened
      await page.fill('input[name=model]', 'gpt-4o')
      const send = async (words: string) => {
        await page.fill('textarea[name=message]', words)
        await page.getByRole('button', { name: 'Send' }).click()
      }
      own.upstream.setBehaviour(goodSecret, { kind: 'good', text: 'one two three four five', delayMs: 400 })
      await send('Slowly')
      await page.locator('.content', { hasText: 'one' }).waitFor()
      await page.getByRole('button', { name: 'Stop' }).click()
      await page.locator('.answered').nth(0).getByText('Stopped').waitFor()
      own.upstream.setBehaviour(goodSecret, { kind: 'dying', afterChunks: 3, delayMs: 60 })
      await send('Broken')
      await page.locator('.answered').nth(1).getByText('Cut off').waitFor()
    },
    deadlineMs,
  )

  test(
    'the cache is cleared, the settings are read anew and searched',
    async () => {
      await using opened = await stand.open('settings')
      const { page } = opened
      await page.getByRole('button', { name: 'Clear the cache' }).click()
      await page.getByText(/\d+ answers forgotten/).waitFor()
      await page.getByRole('button', { name: 'Read the settings anew' }).click()
      await page.getByText('in force').waitFor()
      await page.fill('input[type=search]', 'base_url')
      await page.locator('.setting-rows dt', { hasText: 'simulated.base_url' }).waitFor()
      await page.locator('.setting-rows > div').nth(1).waitFor({ state: 'detached' })
      expect(await page.locator('.setting-rows > div').count()).toBe(1)
      expect(await page.content()).not.toContain(adminKey)
      expect(opened.complaints).toEqual([])
    },
    deadlineMs,
  )

  test(
    'the language changes on the spot and stays',
    async () => {
      await using opened = await stand.open('credentials')
      const { page } = opened
      await page.getByLabel(/language/i).selectOption('zh')
      await page.getByRole('heading', { name: '凭据', exact: true }).waitFor()
      await page.reload()
      await page.getByRole('heading', { name: '凭据', exact: true }).waitFor()
      await page.waitForSelector('html[lang=zh-CN]')
    },
    deadlineMs,
  )

  const looks = pages.flatMap((name) => [
    { name, width: 1440, theme: 'light', language: 'en' } as const,
    { name, width: 390, theme: 'dark', language: 'zh' } as const,
  ])
  test.each(looks)(
    '$name at $width px, $theme, $language: fits, is readable for all, and asks nobody else',
    async ({ name, ...look }) => {
      await using opened = await stand.open(name, look)
      await opened.page.waitForLoadState('networkidle')
      expect(await opened.overflow()).toBe(0)
      expect(await opened.findings()).toEqual([])
      expect(opened.complaints).toEqual([])
      expect(opened.foreignRequests).toEqual([])
    },
    deadlineMs,
  )
})

async function statusWith(secret: string): Promise<number> {
  const response = await fetch(`${stand.url}/v1/models`, { headers: { authorization: `Bearer ${secret}` } })
  await response.text()
  return response.status
}
