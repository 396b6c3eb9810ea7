/** The gateway's time as it goes on between two readings, so that what counts down to one of its times does so by its clock. */
import { type ReadonlySignal, useSignal } from '@preact/signals'
import { useEffect, useRef } from 'preact/hooks'

/** Unix milliseconds, each second anew; null before the first reading. `timestamp`: when the last one was made. */
export function useServerClock(timestamp: string | null): ReadonlySignal<number | null> {
  const now = useSignal<number | null>(null)
  const aheadMs = useRef(0)
  useEffect(() => {
    if (timestamp === null) return
    const read = Date.parse(timestamp)
    aheadMs.current = read - Date.now()
    now.value = read
  }, [timestamp])
  useEffect(() => {
    const timer = setInterval(() => {
      if (now.value !== null && !document.hidden) now.value = Date.now() + aheadMs.current
    }, 1000)
    return () => clearInterval(timer)
  }, [])
  return now
}
