/** Puts a text on the clipboard and says so. */
import { useSignal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import { defineTexts } from './texts.ts'

const text = defineTexts({
  en: { copy: 'Copy', copied: 'Copied', failed: 'Not copied: select the text and copy it' },
  zh: { copy: '复制', copied: '已复制', failed: '复制失败，请手动选中复制' },
})

const saidMs = 2500

/** `label`: what is copied, for screen readers. */
export function CopyButton({ value, label }: { readonly value: string; readonly label: string }) {
  const said = useSignal<'copy' | 'copied' | 'failed'>('copy')
  useEffect(() => {
    if (said.value === 'copy') return
    const timer = setTimeout(() => {
      said.value = 'copy'
    }, saidMs)
    return () => clearTimeout(timer)
  }, [said.value])

  const shown = text(said.value === 'copied' ? 'copied' : 'copy')
  return (
    <span class="copy">
      <button
        type="button"
        class="small"
        aria-label={`${shown}: ${label}`}
        onClick={async (event) => {
          const { currentTarget } = event
          said.value = (await copyText(value, currentTarget)) ? 'copied' : 'failed'
        }}
      >
        {shown}
      </button>
      <span class={said.value === 'failed' ? 'problem' : 'hidden-label'} role="status">
        {said.value === 'copy' ? '' : text(said.value)}
      </span>
    </span>
  )
}

/** Without https there is no clipboard to write to, but the old way works from within a click. `near`: inside a dialog only its parts can be selected. */
async function copyText(value: string, near: Element): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(value)
    return true
  } catch {
    const field = document.createElement('textarea')
    field.value = value
    field.readOnly = true
    near.after(field)
    field.select()
    const isCopied = document.execCommand('copy')
    field.remove()
    if (near instanceof HTMLElement) near.focus()
    return isCopied
  }
}
