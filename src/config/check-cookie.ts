/** Takes a `Cookie` header as somebody copied it from a browser, and says what is wrong with it without repeating it. */
export function checkCookie(written: string): CheckedCookie {
  const header = written.trim().replace(/^cookie:\s*/i, '')
  if (header === '') return { header, fault: 'is empty' }
  if (!/^[\x20-\x7e]+$/.test(header))
    return { header, fault: 'has a line break or other characters that a header must not have' }
  const pairs = header.split(/;\s*/).filter((pair) => pair !== '')
  if (!pairs.every((pair) => /^[\w!#$%&'*+.^`|~-]+=/.test(pair))) {
    return { header, fault: 'must be a Cookie header: name=value, several with "; " between them' }
  }
  if (pairs.some((pair) => placeholder.test(pair.slice(pair.indexOf('=') + 1)))) {
    return { header, fault: 'holds a placeholder; use one of your own' }
  }
  return { header, fault: null }
}

export interface CheckedCookie {
  /** Without blanks around it, and without the header's own name. */
  readonly header: string
  /** Continues a sentence that begins with the cookie's name; null: nothing is wrong. */
  readonly fault: string | null
}

const placeholder = /^(?:your([-_ ].*)?|change[-_ ]?me|replace[-_ ]?me|x{3,}|\*{3,}|\.{3,}|<.*>)$/i
