/** The pages of numbers driven in a browser: overview, usage, requests. */
import { expect, test } from 'bun:test'
import type { Locator, Page } from 'playwright-core'
import type { LiveReport } from '../../src/dashboard/app/reports.ts'
import {
  adminKey,
  chromiumPath,
  clientKey,
  type Look,
  type Stand,
  startStand,
  tellWhenSkipped,
  type WatchedPage,
} from './browser.ts'

tellWhenSkipped('overview, usage, requests')
const inBrowser = test.skipIf(chromiumPath === null)
const testMs = 30_000

const looks: readonly Look[] = [
  { width: 1440, theme: 'light', language: 'en' },
  { width: 1440, theme: 'dark', language: 'zh' },
  { width: 390, theme: 'light', language: 'zh' },
  { width: 390, theme: 'dark', language: 'en' },
]

inBrowser(
  'every page fits its window, says nothing in the console, asks nobody else and passes axe, in both themes and languages',
  async () => {
    await using stand = await startStand()
    await chatTimes(stand, 4)
    const [call] = await listOf(stand)
    for (const look of looks) {
      await using opened = await stand.open('overview', look)
      const { page } = opened
      await page.waitForSelector('tr.linked')
      await expectSound(opened)
      for (const hash of ['usage?range=30d', 'requests', `requests?id=${call?.id}`]) {
        await goTo(page, hash)
        const settled = hash.startsWith('usage') ? '.breakdowns tbody tr' : 'tr.linked'
        await page
          .locator(hash.includes('id=') ? 'dialog[open] .timeline tbody tr' : settled)
          .first()
          .waitFor()
        await expectSound(opened)
      }
    }
  },
  testMs,
)

inBrowser(
  'a gateway that has served nobody says what to do, and nothing is broken by having no numbers',
  async () => {
    await using stand = await startStand()
    await using opened = await stand.open('overview')
    const { page } = opened
    await page.getByText('No call has ended since the gateway started').waitFor()
    await goTo(page, 'usage')
    await page.getByText('No call in this range.').waitFor()
    expect(await page.getByText('Nothing in this range.').count()).toBe(4)
    await goTo(page, 'requests')
    await page.getByText('No request matches.').waitFor()
    await expectSound(opened)
  },
  testMs,
)

inBrowser(
  'the live stream shows calls as they end, stands still while it is pointed at, rests in a hidden tab, and comes back after the gateway was away',
  async () => {
    await using stand = await startStand()
    await using opened = await stand.open('overview')
    const { page } = opened
    const rows = page.locator('.live-list tr.linked')
    await page.locator('.live-sign.live').waitFor()
    await chatTimes(stand, 2)
    await waitForCount(rows, 2)
    expect(await page.locator('.dot-label').allTextContents()).toContain('1 Healthy')

    await rows.first().hover()
    await chatTimes(stand, 1)
    await page.getByText('Standing still while you look · 1 newer').waitFor()
    expect(await rows.count()).toBe(2)
    await page.mouse.move(0, 0)
    await waitForCount(rows, 3)

    await setHidden(page, true)
    await page.locator('.live-sign.paused').waitFor()
    await setHidden(page, false)
    await page.locator('.live-sign.live').waitFor()

    const live = '**/admin/live'
    await page.route(live, (route) => route.abort())
    // A hidden tab ends its stream: coming back it meets a gateway that is away.
    await setHidden(page, true)
    await setHidden(page, false)
    await page.getByText('Reconnecting… (the gateway does not answer)').waitFor()
    expect(await rows.count()).toBe(3)
    await page.unroute(live)
    await page.locator('.live-sign.live').waitFor({ timeout: 10_000 })
  },
  testMs,
)

inBrowser(
  'numbers that could be read stay when the gateway stops, and it is said what failed',
  async () => {
    await using stand = await startStand()
    await chatTimes(stand, 2)
    await using opened = await stand.open('usage?range=24h')
    const { page } = opened
    await page.locator('.breakdowns tbody tr').first().waitFor()
    await stand.server.stop()
    await page.getByRole('button', { name: 'Provider', exact: true }).first().click()
    await page.getByText('Not up to date, the last reading failed: the gateway does not answer').waitFor()
    expect(await page.locator('.breakdowns tbody tr').count()).toBeGreaterThan(0)
    await goTo(page, 'requests')
    await page.getByText('These numbers could not be read: the gateway does not answer').first().waitFor()
    await goTo(page, 'overview')
    await page.getByText('Reconnecting… (the gateway does not answer)').waitFor()
    expect(await opened.findings()).toEqual([])
  },
  testMs,
)

inBrowser(
  'whose session has ended signs in again, is told of a wrong key, and comes back to the same page',
  async () => {
    await using stand = await startStand()
    await using opened = await stand.open('overview')
    const { page } = opened
    await page.locator('.live-sign.live').waitFor()
    await page.context().clearCookies()
    await goTo(page, 'usage?range=24h&by=client')
    const key = page.getByLabel('Admin key')
    await key.waitFor()
    expect(await opened.findings()).toEqual([])
    await key.fill('not-the-admin-key')
    await page.getByRole('button', { name: 'Sign in' }).click()
    await page.getByText('This is not the admin key.').waitFor()
    await key.fill(adminKey)
    await page.getByRole('button', { name: 'Sign in' }).click()
    await page.getByRole('heading', { level: 1, name: 'Usage' }).waitFor()
    expect(page.url()).toContain('#usage?range=24h&by=client')
    expect(await page.evaluate('JSON.stringify(localStorage) + JSON.stringify(sessionStorage)')).not.toContain(adminKey)
    await page.getByRole('button', { name: 'Sign out' }).click()
    await key.waitFor()
  },
  testMs,
)

inBrowser(
  'states of credentials and an open breaker are told in words',
  async () => {
    await using stand = await startStand()
    await chatTimes(stand, 1)
    const [call] = await listOf(stand)
    const place = new URLSearchParams({ credential: call?.credential ?? '' })
    const paused = await stand.admin(`/admin/pause?${place}`, { method: 'POST' })
    expect(paused.status).toBe(200)
    await using opened = await stand.open('overview')
    const { page } = opened
    await page.locator('.dot-label', { hasText: '1 Paused' }).waitFor()
    await page.locator('.dot-label', { hasText: '1 Healthy' }).waitFor()
    await page.route('**/admin/live', async (route) => {
      await route.fulfill({ contentType: 'text/event-stream', body: `data: ${JSON.stringify(troubledMoment)}\n\n` })
    })
    await setHidden(page, true)
    await setHidden(page, false)
    await page.locator('.notice.warn', { hasText: 'simulated/gpt-4o: Open (until' }).waitFor()
    await page.locator('.notice.bad', { hasText: 'Statistics are not being kept: the disk is full' }).waitFor()
    expect(await page.locator('.dot-label').allTextContents()).toEqual(['0 Healthy', '2 Paused'])
    await expectSound(opened)
  },
  testMs,
)

inBrowser(
  'usage is sorted by any column, filtered by a click on a name, taken away as CSV, and its range chosen',
  async () => {
    await using stand = await startStand()
    await chatTimes(stand, 3)
    await chatTimes(stand, 1, { model: 'a-rare-model' })
    await using opened = await stand.open('usage?range=24h')
    const { page } = opened
    const models = page.locator('.breakdowns .card').first()
    const names = () => models.locator('tbody .name').allTextContents()
    await waitForCount(models.locator('tbody tr'), 2)
    expect(await names()).toEqual(['gpt-4o', 'a-rare-model'])
    expect(await models.locator('th[aria-sort=descending]').textContent()).toContain('Requests')
    await models.getByRole('button', { name: 'Model' }).click()
    expect(await names()).toEqual(['a-rare-model', 'gpt-4o'])
    await models.getByRole('button', { name: 'Model' }).click()
    expect(await names()).toEqual(['gpt-4o', 'a-rare-model'])

    await models.getByRole('link', { name: 'a-rare-model' }).click()
    await page.locator('.chip', { hasText: 'a-rare-model' }).waitFor()
    await expectText(page.locator('.figure dd').first(), '1')
    const csv = await downloaded(page, page.getByRole('link', { name: 'Download CSV' }))
    const lines = csv.trim().split('\n')
    expect(lines[0]).toStartWith('time,name,requests')
    expect(lines.slice(1).every((line) => line.includes(',a-rare-model,'))).toBe(true)
    expect(lines.slice(1).reduce((sum, line) => sum + Number(line.split(',')[2]), 0)).toBe(1)

    await page.getByRole('button', { name: 'Remove filter Model a-rare-model' }).click()
    await expectText(page.locator('.figure dd').first(), '4')

    await page.getByRole('button', { name: 'Custom…' }).click()
    await page.getByRole('button', { name: 'Apply' }).click()
    await page.getByText('Give a beginning or an end.').waitFor()
    await page.getByLabel('From').fill('2020-01-02T00:00')
    await page.getByLabel('To', { exact: true }).fill('2020-01-01T00:00')
    await page.getByRole('button', { name: 'Apply' }).click()
    await page.getByText('The end is before the beginning.').waitFor()
    await page.getByLabel('To', { exact: true }).fill('2020-01-04T00:00')
    await page.getByRole('button', { name: 'Apply' }).click()
    await page.getByText('No call in this range.').waitFor()
    expect(page.url()).toContain('range=custom')
    await expectSound(opened)
  },
  testMs,
)

inBrowser(
  'the legend keeps its place while one points at the chart',
  async () => {
    await using stand = await startStand()
    await chatTimes(stand, 3)
    await using opened = await stand.open('usage?range=24h&measure=tokens')
    const { page } = opened
    await page.locator('.chart-legend li').first().waitFor()
    const box = () =>
      page
        .locator('.chart')
        .evaluate((chart) => [
          chart.getBoundingClientRect().height,
          chart.querySelector('.chart-legend li')?.getBoundingClientRect().width,
        ])
    const told = await page.locator('.chart-legend b').textContent()
    const before = await box()
    await page.locator('.chart-drawing .u-over').hover()
    await page.locator('.chart-time:not(:empty)').waitFor()
    expect(await page.locator('.chart-legend b').textContent()).not.toBe(told)
    expect(await box()).toEqual(before)
    await page.getByText('Show the numbers').click()
    await page.locator('.chart-numbers tbody tr').nth(20).waitFor()
  },
  testMs,
)

inBrowser(
  'requests are filtered, shown a page at a time, opened, and taken away as CSV and JSON',
  async () => {
    await using stand = await startStand({ settings: roomy })
    await chatTimes(stand, 120)
    await chatTimes(stand, 1, { model: 'a-rare-model' })
    await using opened = await stand.open('requests')
    const { page } = opened
    const rows = page.locator('tr.linked')
    await waitForCount(rows, 100)
    await page.getByRole('button', { name: 'Load more' }).click()
    await waitForCount(rows, 121)
    await page.getByText('No more requests.').waitFor()

    await page.getByLabel('Model').selectOption('a-rare-model')
    await waitForCount(rows, 1)
    const all = JSON.parse(await downloaded(page, page.getByRole('link', { name: 'JSON' })))
    expect(all.map(({ model }: { readonly model: string }) => model)).toEqual(['a-rare-model'])
    const csv = await downloaded(page, page.getByRole('link', { name: 'CSV' }))
    expect(csv.trim().split('\n')).toHaveLength(2)
    await chatTimes(stand, 1, { model: 'a-rare-model' })
    // New ones come by themselves.
    await rows.nth(1).waitFor({ timeout: 8000 })

    await page.getByLabel('Outcome').selectOption('failed')
    await page.getByText('No request matches.').waitFor()
    await page.getByRole('button', { name: 'Clear all' }).click()
    await waitForCount(rows, 100)
    await page.getByLabel('At least (s)').fill('3600')
    await page.getByLabel('At least (s)').blur()
    await page.getByText('No request matches.').waitFor()
    expect(opened.complaints).toEqual([])
  },
  testMs,
)

inBrowser(
  'a call is opened by its row or its id, shows every attempt, its id can be copied, and the focus comes back',
  async () => {
    await using stand = await startStand({
      credentials: {
        'sk-upstream-limited-0001': { kind: 'server_error', status: 502 },
        'sk-upstream-good-0002': { kind: 'good' },
      },
    })
    await chatTimes(stand, 2)
    const call = (await listOf(stand)).find(({ attempts }) => attempts > 1)
    if (call === undefined) throw new Error('no call took two attempts')
    await using opened = await stand.open('requests')
    const { page } = opened
    await page.context().grantPermissions(['clipboard-read', 'clipboard-write'], { origin: stand.url })
    const link = page.locator(`tr.linked a[href*="${call.id}"]`)
    await link.focus()
    await page.keyboard.press('Enter')
    const dialog = page.locator('dialog[open]')
    const attempts = dialog.locator('.timeline tbody tr')
    await waitForCount(attempts, call.attempts)
    expect(await attempts.first().textContent()).toContain('Server error')
    expect(await attempts.first().textContent()).toContain('502')
    expect(await attempts.last().textContent()).toContain('Served the call')
    await dialog.getByRole('button', { name: 'Copy: ID' }).click()
    await dialog.getByRole('status').getByText('Copied').waitFor({ state: 'attached' })
    expect(await page.evaluate('navigator.clipboard.readText()')).toBe(call.id)
    await expectSound(opened)
    await page.keyboard.press('Escape')
    await dialog.waitFor({ state: 'detached' })
    expect(page.url()).not.toContain('id=')
    await page.waitForFunction(`document.activeElement?.getAttribute('href')?.includes('${call.id}')`)

    // Going back closes it, too.
    await page.keyboard.press('Enter')
    await dialog.waitFor()
    await page.goBack()
    await dialog.waitFor({ state: 'detached' })
    await page.locator(`a[href*="${call.id}"]:focus`).waitFor()

    await page.getByLabel('Request ID').fill('req_unknown')
    await page.getByRole('button', { name: 'Open' }).click()
    await page.getByText('It could not be read').waitFor()
  },
  testMs,
)

inBrowser(
  'on a phone the menu opens, leads to a page and closes',
  async () => {
    await using stand = await startStand()
    await using opened = await stand.open('overview', { width: 390, height: 800 })
    const { page } = opened
    const menu = page.getByRole('button', { name: 'Menu' })
    expect(await page.getByRole('link', { name: 'Usage', exact: true }).isVisible()).toBe(false)
    await menu.click()
    await page.getByRole('button', { name: 'Menu', expanded: true }).waitFor()
    await page.getByRole('link', { name: 'Usage', exact: true }).click()
    await page.getByRole('heading', { level: 1, name: 'Usage' }).waitFor()
    await page.getByRole('button', { name: 'Menu', expanded: false }).waitFor()
    expect(await opened.overflow()).toBe(0)
  },
  testMs,
)

/** A moment as `/admin/live` tells it, which no upstream here brings about. */
const nothingCounted = { count: 0, p50: null, p90: null, p95: null, p99: null }
const troubledMoment: LiveReport = {
  time: '2030-01-01T00:00:00.000Z',
  in_flight: 0,
  last_minute: {
    requests: 0,
    errors: 0,
    aborted: 0,
    requests_per_second: 0,
    errors_per_second: 0,
    input_tokens: 0,
    output_tokens: 0,
    cost_usd: 0,
  },
  first_byte_ms: nothingCounted,
  duration_ms: nothingCounted,
  seconds: { requests: [], errors: [] },
  credentials: { healthy: 0, cooling: 0, blacklisted: 0, paused: 2 },
  breakers: [{ target: 'simulated/gpt-4o', state: 'open', until: '2030-01-01T00:00:30.000Z' }],
  store_problem: 'the disk is full',
  calls: [],
}

/** As many calls as a test likes. */
const roomy = {
  access: {
    admin_key: adminKey,
    client_keys: [{ name: 'team', key: clientKey }],
  },
}

interface ListedCall {
  readonly id: string
  readonly credential: string
  readonly attempts: number
}

/** Waits until they are counted. */
async function chatTimes(stand: Stand, count: number, body: Readonly<Record<string, unknown>> = {}): Promise<void> {
  const expected = (await totalOf(stand)) + count
  for (let call = 0; call < count; call++) await stand.chat(body)
  await settled(async () => (await totalOf(stand)) >= expected)
  expect(await totalOf(stand)).toBe(expected)
}

async function totalOf(stand: Stand): Promise<number> {
  const { totals } = (await (await stand.admin('/stats')).json()) as { totals: { requests: number } }
  return totals.requests
}

async function listOf(stand: Stand): Promise<readonly ListedCall[]> {
  return ((await (await stand.admin('/admin/requests')).json()) as { data: ListedCall[] }).data
}

async function expectSound(opened: WatchedPage): Promise<void> {
  expect(await opened.overflow()).toBe(0)
  expect(await opened.findings()).toEqual([])
  expect(opened.complaints).toEqual([])
  expect(opened.foreignRequests).toEqual([])
}

async function waitForCount(rows: Locator, count: number): Promise<void> {
  await settled(async () => (await rows.count()) === count)
  expect(await rows.count()).toBe(count)
}

async function expectText(place: Locator, text: string): Promise<void> {
  await settled(async () => (await place.textContent()) === text)
  expect(await place.textContent()).toBe(text)
}

/** Waits for a condition as long as a page may take; what it is for is looked at afterwards. */
async function settled(condition: () => Promise<boolean>): Promise<void> {
  const end = Date.now() + 5000
  while (!(await condition()) && Date.now() < end) await Bun.sleep(20)
}

function goTo(page: Page, hash: string): Promise<unknown> {
  return page.evaluate(`location.hash = ${JSON.stringify(hash)}`)
}

async function downloaded(page: Page, link: Locator): Promise<string> {
  const [download] = await Promise.all([page.waitForEvent('download'), link.click()])
  return Bun.file(await download.path()).text()
}

/** Chromium without a window never hides a tab by itself. */
async function setHidden(page: Page, isHidden: boolean): Promise<void> {
  await page.evaluate(`
    Object.defineProperty(document, 'hidden', { configurable: true, get: () => ${isHidden} })
    document.dispatchEvent(new Event('visibilitychange'))
  `)
}
