/** Around a table that may be wider than its place: where it scrolls, the keyboard reaches it and it has a name. */
import { useSignal } from '@preact/signals'
import type { ComponentChildren } from 'preact'
import { useEffect, useRef } from 'preact/hooks'

export interface ScrollAreaProps {
  /** Of what is inside, for screen readers. */
  readonly label: string
  /** Bounded in height, too. */
  readonly isTall?: boolean
  readonly children: ComponentChildren
}

export function ScrollArea({ label, isTall = false, children }: ScrollAreaProps) {
  const place = useRef<HTMLElement>(null)
  const isScrolling = useSignal(false)
  useEffect(() => {
    const element = place.current
    if (element === null) return
    const watcher = new ResizeObserver(() => {
      const { scrollWidth, clientWidth, scrollHeight, clientHeight } = element
      isScrolling.value = scrollWidth > clientWidth || scrollHeight > clientHeight
    })
    watcher.observe(element)
    if (element.firstElementChild !== null) watcher.observe(element.firstElementChild)
    return () => watcher.disconnect()
  }, [])
  const reachable = isScrolling.value ? { tabIndex: 0, 'aria-label': label } : {}
  return (
    <section ref={place} class={isTall ? 'scroll tall' : 'scroll'} {...reachable}>
      {children}
    </section>
  )
}
