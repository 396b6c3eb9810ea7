/** An agent of each client library, three turns long, against an upstream that knows no tools: the simulated model writes its calls as text. */
import { describe, expect, test } from 'bun:test'
import { createOpenAICompatible } from '@ai-sdk/openai-compatible'
import { type AIMessageChunk, type BaseMessage, HumanMessage, ToolMessage } from '@langchain/core/messages'
import { DynamicStructuredTool } from '@langchain/core/tools'
import { ChatOpenAI } from '@langchain/openai'
import { generateText, jsonSchema, stepCountIs, streamText, tool } from 'ai'
import OpenAI from 'openai'
import type { AnswerShape, Asked } from '../../src/simulator/ondemand/behaviours.ts'
import { clientSecret } from '../helpers/start-gateway.ts'
import { model, type OndemandPair, type OndemandPairOptions, startOndemand } from '../helpers/start-ondemand.ts'
import type { ClientEndpoint } from './client-check.ts'
import { patience } from './scripted-gateway.ts'

const question = 'How is the weather in Zürich?'

interface Described {
  readonly name: string
  readonly description: string
  readonly parameters: {
    readonly type: 'object'
    readonly properties: Readonly<Record<string, { readonly type: 'string' | 'integer'; readonly minimum?: number }>>
    readonly required: string[]
    readonly additionalProperties: false
  }
}

const findCity: Described = {
  name: 'find_city',
  description: 'The number of a city.',
  parameters: {
    type: 'object',
    properties: { name: { type: 'string' } },
    required: ['name'],
    additionalProperties: false,
  },
}
const getWeather: Described = {
  name: 'get_weather',
  description: 'The weather at the number of a city.',
  parameters: {
    type: 'object',
    properties: { city: { type: 'string' }, days: { type: 'integer', minimum: 1 } },
    required: ['city', 'days'],
    additionalProperties: false,
  },
}
const cityNumber = 'city-8001 <"ö">'
const weather = 'rain,\n12 degrees'

const said = ['I look for the city: déjà vu < 1.', 'Now for its weather.', `Found ${cityNumber}: ${weather}.`]
const called = [
  [findCity.name, { name: 'Zürich' }],
  [getWeather.name, { city: cityNumber, days: 3 }],
]

/** Knows the tags from the instructions alone, as a real model does, and decides by the results that it is told. */
function agentModel({ query }: Asked): string {
  const [, nonce = ''] = /<tool_call_(\w+)>/.exec(query) ?? []
  const results = query.matchAll(
    new RegExp(`<tool_result_${nonce}>\\n(\\{.*\\})\\n([^]*?)\\n</tool_result_${nonce}>`, 'g'),
  )
  const told = [...results].map(([, about = '{}', text = '']) => ({ name: JSON.parse(about).name, text }))
  const [city, forecast] = told
  if (nonce === '') return 'No tools were told of.'
  const call = (name: string, given: unknown) =>
    `\n\n<tool_call_${nonce}>\n${JSON.stringify({ name, arguments: given })}\n</tool_call_${nonce}>`
  if (city === undefined) return said[0] + call(findCity.name, { name: 'Zürich' })
  if (city.name !== findCity.name) return `A result of ${city.name} came first.`
  // A number as a string: the schema says what is meant.
  if (forecast === undefined) return said[1] + call(getWeather.name, { city: city.text, days: '3' })
  return `Found ${city.text}: ${forecast.text}.`
}

interface Agent {
  /** What the model said to the user in each turn. */
  readonly said: readonly string[]
  readonly called: readonly unknown[]
}

interface AgentLibrary {
  readonly library: string
  readonly run: (endpoint: ClientEndpoint, isStream: boolean) => Promise<Agent>
}

const openai: AgentLibrary = {
  library: 'openai',
  async run(endpoint, isStream) {
    const called: unknown[] = []
    const runnable = (described: Described, result: string) => ({
      type: 'function' as const,
      function: {
        name: described.name,
        description: described.description,
        parameters: { ...described.parameters },
        parse: JSON.parse,
        function(given: object) {
          called.push([described.name, given])
          return result
        },
      },
    })
    const { completions } = new OpenAI({ ...endpoint, maxRetries: 0 }).chat
    const request = {
      model,
      messages: [{ role: 'user' as const, content: question }],
      tools: [runnable(findCity, cityNumber), runnable(getWeather, weather)],
    }
    const runner = isStream ? completions.runTools({ ...request, stream: true }) : completions.runTools(request)
    await runner.done()
    const said = runner.messages.flatMap((one) => (one.role === 'assistant' ? [String(one.content)] : []))
    return { said, called }
  },
}

const aiSdk: AgentLibrary = {
  library: '@ai-sdk/openai-compatible',
  async run(endpoint, isStream) {
    const called: unknown[] = []
    const runnable = ({ name, description, parameters }: Described, result: string) =>
      tool({
        description,
        inputSchema: jsonSchema<object>(parameters),
        async execute(given) {
          called.push([name, given])
          return result
        },
      })
    const request = {
      model: createOpenAICompatible({ name: 'gateway', ...endpoint }).chatModel(model),
      maxRetries: 0,
      prompt: question,
      tools: { [findCity.name]: runnable(findCity, cityNumber), [getWeather.name]: runnable(getWeather, weather) },
      stopWhen: stepCountIs(5),
    }
    const steps = isStream ? await streamText(request).steps : (await generateText(request)).steps
    expect(steps.map(({ finishReason }) => finishReason)).toEqual(['tool-calls', 'tool-calls', 'stop'])
    return { said: steps.map(({ text }) => text), called }
  },
}

const langchain: AgentLibrary = {
  library: '@langchain/openai',
  async run({ baseURL, apiKey }, isStream) {
    const called: unknown[] = []
    const results = new Map([
      [findCity.name, cityNumber],
      [getWeather.name, weather],
    ])
    const tools = [findCity, getWeather].map(
      ({ parameters, ...about }) =>
        new DynamicStructuredTool<typeof parameters, object, object, string>({
          ...about,
          schema: parameters,
          async func(given) {
            called.push([about.name, given])
            return results.get(about.name) ?? ''
          },
        }),
    )
    const bound = new ChatOpenAI({ model, apiKey, configuration: { baseURL }, maxRetries: 0 }).bindTools(tools)
    const messages: BaseMessage[] = [new HumanMessage(question)]
    const said: string[] = []
    for (let turn = 0; turn < 5; turn += 1) {
      const message = isStream ? await joined(await bound.stream(messages)) : await bound.invoke(messages)
      messages.push(message)
      said.push(message.text)
      expect(message.invalid_tool_calls ?? []).toEqual([])
      const calls = message.tool_calls ?? []
      if (calls.length === 0) break
      for (const call of calls) {
        const chosen = tools.find(({ name }) => name === call.name)
        if (chosen === undefined) throw new Error(`there is no tool ${call.name}`)
        messages.push(new ToolMessage({ content: await chosen.invoke(call.args), tool_call_id: call.id ?? '' }))
      }
    }
    return { said, called }
  },
}

async function joined(chunks: AsyncIterable<AIMessageChunk>): Promise<AIMessageChunk> {
  let message: AIMessageChunk | undefined
  for await (const chunk of chunks) message = message === undefined ? chunk : message.concat(chunk)
  if (message === undefined) throw new Error('the stream was empty')
  return message
}

/** Pieces that no tag fits into, and thoughts before them. */
const shape: AnswerShape = { text: agentModel, pieceSizes: [3, 1, 7], thinkingText: 'I think <tool_call_ is a tag.' }
const doors: readonly { door: string; options: OndemandPairOptions }[] = [
  { door: 'key', options: { keys: { 'key-of-the-agent-0001': { kind: 'good', ...shape } } } },
  {
    door: 'account',
    options: {
      accounts: { 'agent@example.com': { password: 'password-of-the-agent', behaviour: { kind: 'good', ...shape } } },
    },
  },
]
const ways = doors.flatMap((door) => [true, false].map((isStream) => ({ ...door, isStream })))

describe.each([openai, aiSdk, langchain])('$library', ({ run }) => {
  test.concurrent.each(ways)(
    'an agent calls one tool, then another with what the first said, then answers: by $door, streamed $isStream',
    async ({ options, isStream }) => {
      await using pair = await start(options)
      expect(await run(endpointOf(pair), isStream)).toEqual({ said, called })
      // Each turn in a session of its own, told the whole conversation.
      await pair.noSessionsLeft()
      expect(pair.upstream.sessions.map(({ queries }) => queries.length)).toEqual([1, 1, 1])
      for (const { queries } of pair.upstream.sessions) expect(queries[0]?.text).toContain(question)
      const records = await pair.gateway.recorded(3)
      expect(records.map(({ outcome, attempts }) => [outcome, attempts])).toEqual(
        Array.from({ length: 3 }, () => ['succeeded', 1]),
      )
    },
  )

  test.concurrent('an agent goes on with another key when one is limited between its turns', async () => {
    const limited = { kind: 'rate_limited', covers: ['query'], ...shape } as const
    await using pair = await start({
      keys: { 'key-of-the-agent-0001': { kind: 'good', ...shape }, 'key-of-the-agent-0002': limited },
    })
    expect(await run(endpointOf(pair), true)).toEqual({ said, called })
    expect(pair.exclusions('key-of-the-agent-0002')).toEqual(['rate_limited'])
    await pair.noSessionsLeft()
  })
})

/** No deadline of the gateway passes because the machine is busy. */
function start(options: OndemandPairOptions): Promise<OndemandPair> {
  return startOndemand({ ...options, provider: { timeouts: patience, requestTimeoutMs: 15_000, ...options.provider } })
}

function endpointOf(pair: OndemandPair): ClientEndpoint {
  return { baseURL: `${pair.gateway.url}/v1`, apiKey: clientSecret }
}
