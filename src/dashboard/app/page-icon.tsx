/** A small sign for each page, beside its name. */
import type { PageName } from './route.ts'

const paths: Readonly<Record<PageName, string>> = {
  overview: 'M2 9h3l2-6 3 11 2-5h2',
  usage: 'M3 14V8M8 14V2M13 14v-4',
  requests: 'M2 4h12M2 8h12M2 12h8',
  credentials: 'M10.5 2.5a3 3 0 1 1-2.2 5L3 13v-2.500M5.500 10.500l1.500 1.500',
  clients: 'M8 7.500a2.500 2.500 0 1 0 0-5 2.500 2.500 0 0 0 0 5ZM3 14c0-3 2-4.500 5-4.500s5 1.500 5 4.500',
  try: 'M3 3l4.500 4.500L3 12M8.500 13H14',
  settings: 'M2 5h6M12 5h2M10 3v4M2 11h2M8 11h6M6 9v4',
}

export function PageIcon({ page }: { readonly page: PageName }) {
  return (
    <svg
      viewBox="0 0 16 16"
      width="16"
      height="16"
      fill="none"
      stroke="currentColor"
      stroke-width="1.5"
      stroke-linecap="round"
      stroke-linejoin="round"
      aria-hidden="true"
    >
      <path d={paths[page]} />
    </svg>
  )
}
