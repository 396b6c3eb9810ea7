import { expect, test } from 'bun:test'
import { createHeapCare } from '../../src/gateway/heap-care.ts'

function start() {
  const memory = { bytes: 1000 }
  const collected: boolean[] = []
  const care = createHeapCare({
    collect: (isThorough) => collected.push(isThorough),
    residentBytes: () => memory.bytes,
  })
  const begin = (streams: number) => {
    for (let stream = 0; stream < streams; stream++) care.begin()
  }
  const end = (streams: number) => {
    for (let stream = 0; stream < streams; stream++) care.end()
  }
  const write = (pieces: number) => {
    for (let piece = 0; piece < pieces; piece++) care.wrote()
  }
  return { care, memory, collected, begin, end, write }
}

test('around a flood of streams garbage is collected where memory grows, and thoroughly when it is over', () => {
  const { care, memory, collected, begin, end } = start()
  begin(600)
  care.look()
  expect(collected).toEqual([false])
  memory.bytes = 1005
  care.look()
  expect(collected).toEqual([false])
  memory.bytes = 1030
  care.look()
  expect(collected).toEqual([false, false])
  end(600)
  care.look()
  expect(collected).toEqual([false, false, true])
})

test('in a flood it is looked at by what is written, too: timers come late then', () => {
  const { memory, collected, begin, end, write } = start()
  begin(600)
  write(1000)
  expect(collected).toEqual([false])
  write(10_000)
  expect(collected).toEqual([false])
  memory.bytes = 1100
  write(1000)
  expect(collected).toEqual([false, false])
  end(600)
  write(1000)
  expect(collected).toEqual([false, false, true])
  write(1000)
  expect(collected).toEqual([false, false, true])
})

test('with few streams nothing is done', () => {
  const { memory, collected, begin, write } = start()
  begin(400)
  memory.bytes = 9000
  write(5000)
  expect(collected).toEqual([])
})
