/** What a check of a client library is, and what all of them ask for. */

/** Where a gateway is, and a key that it takes. */
export interface ClientEndpoint {
  /** With `/v1`. */
  readonly baseURL: string
  readonly apiKey: string
}

/** Needs nothing but an endpoint whose upstream is the simulator with good credentials. Throws when the guarantee is broken. */
export interface ClientCheck {
  readonly name: string
  readonly run: (endpoint: ClientEndpoint) => Promise<void>
}

export const chatModel = 'gpt-4o'
export const embeddingModel = 'text-embedding-3-small'

/** The simulated model answers with text that quotes it. */
export const question = 'Grüße aus Zürich: what is new?'

/** The simulated model calls a tool that the question names. */
export const toolQuestion = 'Please use get_weather for Zürich.'
export const toolName = 'get_weather'
export const toolDescription = 'The weather of a city, now.'
export const toolSchema = {
  type: 'object' as const,
  properties: { city: { type: 'string' as const }, days: { type: 'integer' as const, minimum: 3 } },
  required: ['city', 'days'],
  additionalProperties: false as const,
}
/** What the simulated model makes of that schema. */
export const toolArguments = { city: 'simulated city', days: 3 }
export const toolResult = 'rain, 12 degrees'

export const personSchema = {
  type: 'object' as const,
  properties: { name: { type: 'string' as const }, age: { type: 'integer' as const, minimum: 18 } },
  required: ['name', 'age'],
  additionalProperties: false as const,
}
export const person = { name: 'simulated name', age: 18 }

/** One pixel. */
export const imageBase64 =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=='
export const imageUrl = `data:image/png;base64,${imageBase64}`

export const concurrentStreams = 50

/** What a promise was rejected with. Throws when it was fulfilled. */
export async function rejectionOf(promise: PromiseLike<unknown>): Promise<unknown> {
  try {
    await promise
  } catch (cause) {
    return cause
  }
  throw new Error('this was expected to fail, and did not')
}
