/** What the frames of both answer formats have in common. */
import type { AnswerShape } from './behaviours.ts'

/** One line of a data stream or one event of a UI message stream, its line ends included, and to which part of the stream it belongs. */
export interface Frame {
  /** `noise` stands between pieces and counts as none. */
  readonly part: 'opening' | 'reasoning' | 'piece' | 'noise' | 'after'
  readonly text: string
}

export interface AnswerFacts {
  readonly messageId: string
  readonly model: string
  readonly shape: AnswerShape
  readonly nowMs: number
}

/** JSON, its strings spelled as the shape wants it. */
export function jsonText(value: unknown, shape: AnswerShape): string {
  const text = JSON.stringify(value)
  if (shape.escapes !== 'all') return text
  return text
    .replaceAll('/', '\\/')
    .replace(/[^\n -~]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
}
