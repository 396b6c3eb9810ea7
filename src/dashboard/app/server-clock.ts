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

/** `0:42`, `12:05`, `3:04:05`, `2d 03:04:05`; null once it is over. */
export function countdownText(until: string, now: number): string | null {
  const seconds = Math.ceil((Date.parse(until) - now) / 1000)
  if (!(seconds > 0)) return null
  const two = (value: number) => String(value).padStart(2, '0')
  const days = Math.floor(seconds / 86_400)
  const hours = Math.floor((seconds % 86_400) / 3600)
  const minutes = Math.floor((seconds % 3600) / 60)
  const rest = two(seconds % 60)
  if (days > 0) return `${days}d ${two(hours)}:${two(minutes)}:${rest}`
  return hours > 0 ? `${hours}:${two(minutes)}:${rest}` : `${minutes}:${rest}`
}
