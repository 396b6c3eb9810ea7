/** The pages of credentials, clients, trying and settings, driven in a browser. */
import { expect, test } from 'bun:test'
import { chromiumPath, startStand, tellWhenSkipped } from './browser.ts'

tellWhenSkipped('credentials, clients, try it, settings')

test.skipIf(chromiumPath === null)(
  'smoke',
  async () => {
    await using stand = await startStand()
    await using opened = await stand.open('try')
    expect(opened.complaints).toEqual([])
    expect(opened.foreignRequests).toEqual([])
    expect(await opened.overflow()).toBe(0)
    expect(await opened.findings()).toEqual([])
  },
  30_000,
)
