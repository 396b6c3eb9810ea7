/** A chat request as programs write it, with a placeholder where their key belongs. */

export const sampleKinds = ['curl', 'python', 'typescript'] as const
export type SampleKind = (typeof sampleKinds)[number]

export interface ChatMessage {
  readonly role: 'system' | 'user' | 'assistant'
  readonly content: string
}

export interface ChatRequest {
  readonly model: string
  readonly messages: readonly ChatMessage[]
  readonly temperature?: number
  readonly max_tokens?: number
  readonly stream?: true
  readonly stream_options?: { readonly include_usage: true }
}

export const keyPlaceholder = 'YOUR_CLIENT_KEY'

/** `baseUrl`: of the API, such as `https://gateway.example/v1`. */
export function codeSample(kind: SampleKind, request: ChatRequest, baseUrl: string): string {
  const writers: Readonly<Record<SampleKind, typeof curlSample>> = {
    curl: curlSample,
    python: pythonSample,
    typescript: typescriptSample,
  }
  return writers[kind](request, baseUrl)
}

/** Where the API of the gateway is that served the page at this address. */
export function baseUrlOf(pageAddress: string): string {
  return new URL('v1', pageAddress).href
}

function curlSample(request: ChatRequest, baseUrl: string): string {
  return [
    `curl ${request.stream === true ? '-N ' : ''}${shellText(`${baseUrl}/chat/completions`)} \\`,
    `  -H 'Authorization: Bearer ${keyPlaceholder}' \\`,
    `  -H 'Content-Type: application/json' \\`,
    `  -d ${shellText(JSON.stringify(request, null, 2))}`,
  ].join('\n')
}

function pythonSample({ stream, stream_options: _, ...request }: ChatRequest, baseUrl: string): string {
  const given = [...Object.entries(request), ...(stream === true ? [['stream', true] as const] : [])]
  const lines = given.map(([name, value]) => `    ${name}=${pythonValue(value, 4)},`)
  return [
    'from openai import OpenAI',
    '',
    `client = OpenAI(base_url=${JSON.stringify(baseUrl)}, api_key="${keyPlaceholder}")`,
    '',
    `${stream === true ? 'stream' : 'answer'} = client.chat.completions.create(`,
    ...lines,
    ')',
    ...(stream === true
      ? [
          'for chunk in stream:',
          '    if chunk.choices:',
          '        print(chunk.choices[0].delta.content or "", end="", flush=True)',
        ]
      : ['print(answer.choices[0].message.content)']),
  ].join('\n')
}

function typescriptSample({ stream_options: _, ...request }: ChatRequest, baseUrl: string): string {
  const isStream = request.stream === true
  return [
    "import OpenAI from 'openai'",
    '',
    `const client = new OpenAI({ baseURL: ${JSON.stringify(baseUrl)}, apiKey: '${keyPlaceholder}' })`,
    '',
    `const ${isStream ? 'stream' : 'answer'} = await client.chat.completions.create(${scriptValue(request, 0)})`,
    ...(isStream
      ? ['for await (const chunk of stream) {', "  process.stdout.write(chunk.choices[0]?.delta?.content ?? '')", '}']
      : ['console.log(answer.choices[0]?.message.content)']),
  ].join('\n')
}

/** One word for a POSIX shell. */
function shellText(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`
}

/** JSON's texts and numbers are Python's; of its words only these are not. */
function pythonValue(value: unknown, indent: number): string {
  if (value === true) return 'True'
  if (value === false) return 'False'
  if (Array.isArray(value)) {
    const items = value.map((item) => `${' '.repeat(indent + 4)}${pythonValue(item, indent + 4)},`)
    return `[\n${items.join('\n')}\n${' '.repeat(indent)}]`
  }
  if (typeof value === 'object' && value !== null) {
    return `{${Object.entries(value)
      .map(([name, inner]) => `${JSON.stringify(name)}: ${pythonValue(inner, indent)}`)
      .join(', ')}}`
  }
  return JSON.stringify(value)
}

/** As people write it: names without quotes. The names of a request are all plain words. */
function scriptValue(value: unknown, indent: number): string {
  const inside = ' '.repeat(indent + 2)
  if (Array.isArray(value)) {
    const items = value.map((item) => `${inside}${scriptValue(item, indent + 2)},`)
    return `[\n${items.join('\n')}\n${' '.repeat(indent)}]`
  }
  if (typeof value === 'object' && value !== null) {
    const lines = Object.entries(value).map(([name, inner]) => `${inside}${name}: ${scriptValue(inner, indent + 2)},`)
    return `{\n${lines.join('\n')}\n${' '.repeat(indent)}}`
  }
  return JSON.stringify(value)
}
