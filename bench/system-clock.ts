/** A clock that every process of the machine reads alike, so that one can tell how long ago another one sent something. */
import { dlopen, ptr, toArrayBuffer } from 'bun:ffi'

/**
 * Microseconds since the machine started. `performance.now()` alone will not do: it begins with the process, and drifts from the
 * clocks of other processes by milliseconds in the course of a run. So it is set right against the kernel's clock ten times a second.
 */
export function systemMicroseconds(): number {
  const now = performance.now()
  if (now > setRightUntilMs) setRight()
  return now * 1_000 + offsetUs
}

const setRightEveryMs = 100
const monotonicClock = 1
// A `struct timespec` of a 64-bit Linux: seconds, then nanoseconds, 8 bytes each.
const timespec = new Uint8Array(16)
const address = ptr(timespec)
const readClock = dlopen('libc.so.6', { clock_gettime: { args: ['i32', 'ptr'], returns: 'i32' } }).symbols.clock_gettime

let setRightUntilMs = 0
let offsetUs = 0

/** Takes the reading that the least time passed around. */
function setRight(): void {
  let narrowestMs = Number.POSITIVE_INFINITY
  for (let reading = 0; reading < 3; reading++) {
    const before = performance.now()
    readClock(monotonicClock, address)
    const after = performance.now()
    if (after - before >= narrowestMs) continue
    narrowestMs = after - before
    // A new view each time: compiled code does not know that the call has written there and may read old values from a kept one.
    const words = new DataView(toArrayBuffer(address, 0, timespec.byteLength))
    const kernelUs = words.getUint32(0, true) * 1e6 + words.getUint32(8, true) / 1e3
    offsetUs = kernelUs - ((before + after) / 2) * 1_000
  }
  setRightUntilMs = performance.now() + setRightEveryMs
}
