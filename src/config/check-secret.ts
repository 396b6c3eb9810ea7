/** Takes a secret as somebody pasted it, and says what is wrong with it without repeating it. */
export function checkSecret(written: string): CheckedSecret {
  const secret = written.replace(outerNoise, '')
  if (secret === '') return { secret, fault: 'is empty' }
  if (/\s/.test(secret)) return { secret, fault: 'has a space or another blank inside' }
  if (!/^[\x21-\x7e]+$/.test(secret)) {
    return { secret, fault: 'has invisible or non-ASCII characters inside; type or copy it again' }
  }
  if (isPublished(secret)) return { secret, fault: 'is a published example or a placeholder; use a secret of your own' }
  return { secret, fault: null }
}

export interface CheckedSecret {
  /** Without blanks, byte order marks and zero-width characters around it. */
  readonly secret: string
  /** Continues a sentence that begins with the secret's name; null: nothing is wrong. */
  readonly fault: string | null
}

const outerNoise = /^[\s\u200b-\u200f\u2060\ufeff]+|[\s\u200b-\u200f\u2060\ufeff]+$/g

/** From the documents of the programs that any2api replaces, and what sample files commonly hold. Lower case. */
const publishedSecrets: readonly RegExp[] = [
  /^testofli$/,
  /^sk-2api-ondemand-access-token-2025$/,
  /^(sk-)?your([-_].*)?$/,
  /^(sk-)?change[-_]?me([-_].*)?$/,
  /^(sk-)?replace[-_]?me([-_].*)?$/,
  /^(sk-)?(x{3,}|\*{3,}|\.{3,})$/,
  /^(sk-)?(test|example|placeholder|secret|password|admin)$/,
  /^<.*>$/,
]

function isPublished(secret: string): boolean {
  const lower = secret.toLowerCase()
  return publishedSecrets.some((pattern) => pattern.test(lower))
}
