/** What a model has written, taken out of an answer: of one JSON body, or of the events of a stream as far as it came. */
import { isRecord } from './is-record.ts'
import { eachEvent, eventData } from './sse.ts'

export interface AnswerText {
  /** Content, refusals, and the names and arguments of called tools: one text for each of them and each choice. */
  readonly said: readonly string[]
  /** What it thought aloud. */
  readonly thought: readonly string[]
}

/** Null when it is no JSON answer. */
export function textOfJson(body: string): AnswerText | null {
  const json = parse(body)
  if (!isRecord(json)) return null
  const texts = createTexts()
  texts.add(json)
  return texts.all()
}

/** Pieces of events and events without JSON are left out. */
export function textOfEvents(events: string): AnswerText {
  const texts = createTexts()
  for (const event of eachEvent(`${events}\n\n`)) {
    const data = eventData(event)
    const json = data === null ? undefined : parse(data)
    if (isRecord(json)) texts.add(json)
  }
  return texts.all()
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** Pieces of one text are joined before they are counted: tokens reach over their ends. */
function createTexts() {
  const said = new Map<string, string>()
  const thought = new Map<string, string>()

  function put(texts: Map<string, string>, name: string, piece: unknown): void {
    if (typeof piece === 'string' && piece !== '') texts.set(name, (texts.get(name) ?? '') + piece)
  }

  function addChoice(choice: unknown, position: number): void {
    if (!isRecord(choice)) return
    const index = String(choice.index ?? position)
    put(said, index, choice.text)
    const message = choice.delta ?? choice.message
    if (!isRecord(message)) return
    put(said, index, message.content)
    if (Array.isArray(message.content))
      for (const part of message.content) put(said, index, isRecord(part) && part.text)
    put(said, `${index} refusal`, message.refusal)
    // OpenRouter's spelling is `reasoning`, DeepSeek's `reasoning_content`; where both are sent they say the same.
    put(thought, index, message.reasoning_content ?? message.reasoning)
    addCall(`${index} call`, message.function_call)
    if (!Array.isArray(message.tool_calls)) return
    for (const [at, call] of message.tool_calls.entries())
      if (isRecord(call)) addCall(`${index} tool ${call.index ?? at}`, call.function ?? call.custom)
  }

  function addCall(name: string, called: unknown): void {
    if (!isRecord(called)) return
    put(said, `${name} name`, called.name)
    put(said, `${name} arguments`, called.arguments ?? called.input)
  }

  /** A whole item of the Responses API. */
  function addItem(item: unknown, position: number): void {
    if (!isRecord(item)) return
    addCall(`item ${position}`, item)
    const isReasoning = item.type === 'reasoning'
    for (const part of [item.content, item.summary].flat())
      if (isRecord(part)) put(isReasoning ? thought : said, `item ${position}`, part.text ?? part.refusal)
  }

  /** The Responses API streams what is said as deltas; its other events repeat it. */
  function addResponseEvent(type: string, event: Readonly<Record<string, unknown>>): void {
    const name = `item ${event.output_index ?? 0} ${event.content_index ?? event.summary_index ?? 0}`
    if (type === 'response.output_item.added') put(said, `${name} name`, isRecord(event.item) && event.item.name)
    else if (/^response\.reasoning.*\.delta$/.test(type)) put(thought, name, event.delta)
    else if (type.endsWith('.delta')) put(said, name, event.delta)
  }

  return {
    add(json: Readonly<Record<string, unknown>>) {
      if (Array.isArray(json.choices)) json.choices.forEach(addChoice)
      else if (typeof json.type === 'string') addResponseEvent(json.type, json)
      else if (Array.isArray(json.output)) json.output.forEach(addItem)
    },
    all: (): AnswerText => ({ said: [...said.values()], thought: [...thought.values()] }),
  }
}
