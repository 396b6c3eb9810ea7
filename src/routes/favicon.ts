/** `GET /favicon.ico`: browsers ask for it whatever a page says. */
import { staticAsset } from './static-asset.ts'

export function favicon() {
  return staticAsset({ contentType: 'image/svg+xml', read: async () => new TextEncoder().encode(icon) })
}

/** Three ways in, one way out. */
const icon = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="7" fill="#2563eb"/><path d="M6 8c7 0 6 8 12 8M6 16h20M6 24c7 0 6-8 12-8M21 11l5 5-5 5" fill="none" stroke="#fff" stroke-width="2.6" stroke-linecap="round" stroke-linejoin="round"/></svg>`
