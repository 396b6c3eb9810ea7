/** Deadlines share a timer: none of them may be late, early or lost because of another one. */
import { expect, test } from 'bun:test'
import { createDeadline, type Deadline } from '../../src/gateway/deadline.ts'

const farMs = 60_000

/** When it expired, in milliseconds since it was begun. */
function start(silenceMs: number) {
  const startMs = performance.now()
  let deadline: Deadline | undefined
  const expired = new Promise<number>((resolve) => {
    deadline = createDeadline(silenceMs, () => resolve(performance.now() - startMs))
  })
  return { deadline: deadline as Deadline, expired }
}

test('a near deadline does not wait for a far one that was set before', async () => {
  const far = start(farMs)
  const near = start(20)
  expect(await near.expired).toBeGreaterThanOrEqual(18)
  far.deadline.stop()
})

test('none expires early, whatever the order in which they were set', async () => {
  await Promise.all(
    [90, 30, 60].map(async (silenceMs) => expect(await start(silenceMs).expired).toBeGreaterThanOrEqual(silenceMs - 2)),
  )
})

test('a far deadline that is brought near expires near, and one that was stopped never', async () => {
  const stopped = start(10)
  stopped.deadline.stop()
  const moved = start(farMs)
  moved.deadline.allow(40)
  const first = await Promise.race([stopped.expired.then(() => 'stopped'), moved.expired.then(() => 'moved')])
  expect(first).toBe('moved')
})

test('one that is touched starts again', async () => {
  const touched = start(400)
  const touchedMs = await start(20).expired
  touched.deadline.touch()
  expect(await touched.expired).toBeGreaterThanOrEqual(touchedMs + 398)
})

test('one that is stopped or begun while others expire harms none of them', async () => {
  const deadlines = Array.from({ length: 50 }, (_, index) => start(10 + (index % 5)))
  const begun = deadlines[0]?.expired.then(() => start(15).expired)
  deadlines[0]?.expired.then(() => deadlines[49]?.deadline.stop())
  await Promise.all(deadlines.slice(0, 49).map(({ expired }) => expired))
  expect(await begun).toBeGreaterThanOrEqual(13)
})
