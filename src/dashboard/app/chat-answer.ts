/** An answer as it comes in, from the pieces of a stream or whole. Nothing here knows of the page. */

export interface ChatAnswer {
  readonly content: string
  /** What the model thought before; empty where it told nothing of it. */
  readonly reasoning: string
  readonly finishReason: string | null
  readonly inputTokens: number | null
  readonly outputTokens: number | null
  /** Told within the stream, after the answer had begun. */
  readonly problem: { readonly code: string; readonly message: string } | null
  /** The stream said that it is over. */
  readonly isEnded: boolean
}

export const emptyAnswer: ChatAnswer = {
  content: '',
  reasoning: '',
  finishReason: null,
  inputTokens: null,
  outputTokens: null,
  problem: null,
  isEnded: false,
}

/** `data`: what an event of the stream carries. One that is not understood changes nothing. */
export function addEvent(answer: ChatAnswer, data: string): ChatAnswer {
  if (data === '[DONE]') return { ...answer, isEnded: true }
  try {
    return addBody(answer, JSON.parse(data) as Body)
  } catch {
    return answer
  }
}

/** A chunk of a stream, or a whole answer. */
export function addBody(answer: ChatAnswer, body: Body): ChatAnswer {
  const [choice] = body.choices ?? []
  const words = choice?.delta ?? choice?.message
  return {
    ...answer,
    content: answer.content + (words?.content ?? ''),
    reasoning: answer.reasoning + (words?.reasoning_content ?? words?.reasoning ?? ''),
    finishReason: choice?.finish_reason ?? answer.finishReason,
    inputTokens: body.usage?.prompt_tokens ?? answer.inputTokens,
    outputTokens: body.usage?.completion_tokens ?? answer.outputTokens,
    problem: body.error ? { code: String(body.error.code ?? ''), message: body.error.message ?? '' } : answer.problem,
  }
}

/** Whether it broke off: the stream is over, but never said so, or told an error. */
export function isCut({ problem, isEnded, finishReason }: ChatAnswer): boolean {
  return problem !== null || (!isEnded && finishReason === null)
}

interface Words {
  readonly content?: string | null
  readonly reasoning_content?: string | null
  readonly reasoning?: string | null
}

export interface Body {
  readonly choices?: readonly {
    readonly delta?: Words
    readonly message?: Words
    readonly finish_reason?: string | null
  }[]
  readonly usage?: { readonly prompt_tokens?: number; readonly completion_tokens?: number } | null
  readonly error?: { readonly code?: string | number | null; readonly message?: string } | null
}
