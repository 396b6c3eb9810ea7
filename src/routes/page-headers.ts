/** Headers of every page for people: nothing from another host, no framing, no address passed on. */
export function pageHeaders(sources: { readonly style: string; readonly script: string }): Record<string, string> {
  const policy = [
    "default-src 'self'",
    `style-src ${sources.style}`,
    `script-src ${sources.script}`,
    "img-src 'self' data:",
    "object-src 'none'",
    "base-uri 'none'",
    "form-action 'self'",
    "frame-ancestors 'none'",
  ]
  return {
    'content-security-policy': policy.join('; '),
    'x-content-type-options': 'nosniff',
    'x-frame-options': 'DENY',
    'referrer-policy': 'no-referrer',
    'cross-origin-opener-policy': 'same-origin',
  }
}
