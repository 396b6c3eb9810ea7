/** The tags that stand around tool calls and tool results in plain text; reading and writing what is between them is not done here. */
import { randomText } from './random-text.ts'

export interface Markers {
  readonly callStart: string
  readonly callEnd: string
  readonly resultStart: string
  readonly resultEnd: string
}

/**
 * Models know tags of this form from their training and copy them exactly; the nonce makes them a secret of one request, so
 * that no text of a user, a document or a tool can forge or trigger them.
 */
export function createMarkers(nonce: string): Markers {
  return {
    callStart: `<tool_call_${nonce}>`,
    callEnd: `</tool_call_${nonce}>`,
    resultStart: `<tool_result_${nonce}>`,
    resultEnd: `</tool_result_${nonce}>`,
  }
}

/**
 * A nonce for one request, or for one conversation where the upstream remembers earlier turns. `avoid` is the request's
 * text: the nonce does not occur in it.
 */
export function createNonce(avoid: string): string {
  let nonce = randomText(nonceLength, nonceAlphabet)
  for (let tries = 1; avoid.includes(nonce) && tries < maxTries; tries++) nonce = randomText(nonceLength, nonceAlphabet)
  return nonce
}

const nonceLength = 10
// Lower case only: models sometimes change the case of what they copy. Look-alikes (0 o, 1 l i) are left out for the same reason.
const nonceAlphabet = 'abcdefghjkmnpqrstuvwxyz23456789'
const maxTries = 8
