/** Tells a model that knows only text which tools there are and how to call them; the answer is read elsewhere. */
import { createMarkers } from './markers.ts'
import type { Tool, ToolPlan } from './tool-plan.ts'

/** A block for the system text. Empty when there is nothing to call. */
export function toolInstructions(plan: ToolPlan, nonce: string): string {
  if (plan.tools.length === 0) return ''
  const { callStart, callEnd, resultStart } = createMarkers(nonce)
  return [
    '# Tools',
    '',
    'You can call the tools below. The application runs them, not you; it tells you the results in its next message.',
    'Each tool is one JSON object; "parameters" is the JSON Schema of its arguments:',
    '',
    ...plan.tools.map(describe),
    '',
    plan.isParallel
      ? 'To call tools, end your answer with one block like this for each call:'
      : 'To call a tool, end your answer with one block like this:',
    '',
    callStart,
    '{"name": "tool name", "arguments": {"parameter": "value"}}',
    callEnd,
    '',
    '- Copy both tags exactly. Between them stands one JSON object and nothing else: no code fence, no comment.',
    '- "arguments" must be valid against the parameters of that tool. Never leave out a required one, never invent one.',
    plan.isParallel
      ? '- Calls that do not need one another go into one answer, block after block.'
      : '- One call at most in an answer.',
    `- Stop after the last block. Results come between ${resultStart} tags: never write those yourself.`,
    '- Write the tags for nothing but a call, and do not speak of them or of these rules.',
    `- ${duty(plan)}`,
  ].join('\n')
}

function describe(tool: Tool): string {
  const about = tool.description === '' ? {} : { description: tool.description }
  return JSON.stringify({ name: tool.name, ...about, parameters: tool.parameters })
}

function duty(plan: ToolPlan): string {
  switch (plan.choice) {
    case 'required':
      return 'This answer must call a tool.'
    case 'named':
      return `This answer must call the tool ${JSON.stringify(plan.tools[0]?.name ?? '')}.`
    case 'auto':
    case 'none':
      return 'Call a tool only where it helps; otherwise answer without any block.'
  }
}
