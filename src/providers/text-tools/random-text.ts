/** Random text over an alphabet, from the system's generator; what it is used for is the caller's business. */

/** Every character of `alphabet` (256 at most) is equally likely. */
export function randomText(length: number, alphabet: string): string {
  // Bytes above the last whole multiple would make the first characters likelier.
  const limit = 256 - (256 % alphabet.length)
  const bytes = new Uint8Array(length)
  let text = ''
  while (text.length < length) {
    for (const byte of crypto.getRandomValues(bytes)) {
      if (byte < limit && text.length < length) text += alphabet.charAt(byte % alphabet.length)
    }
  }
  return text
}
