/** The request of the page for trying a model, as code that people copy. */
import { expect, test } from 'bun:test'
import { baseUrlOf, type ChatRequest, codeSample, sampleKinds } from '../../src/dashboard/app/code-samples.ts'

const baseUrl = 'https://gateway.example/v1'
const awkward = `it's "quoted" $HOME \`x\` \\n 你好\nsecond line`
const request: ChatRequest = {
  model: 'gpt-4o',
  messages: [
    { role: 'system', content: 'Be brief' },
    { role: 'user', content: awkward },
  ],
  temperature: 0.5,
  stream: true,
  stream_options: { include_usage: true },
}

test('the curl command hands a shell exactly this request', async () => {
  const command = codeSample('curl', request, baseUrl).replace(/^curl/, `printf '%s\\n==\\n'`)
  const shell = Bun.spawn(['/bin/sh', '-c', command])
  const words = (await new Response(shell.stdout).text()).split('\n==\n')
  expect(words).toContain(`${baseUrl}/chat/completions`)
  expect(JSON.parse(words.find((word) => word.startsWith('{')) ?? '')).toEqual(request)
})

test('the TypeScript call holds exactly this request', () => {
  const code = codeSample('typescript', request, baseUrl)
  const [, body = ''] = /create\((\{[\s\S]*\n\})\)/.exec(code) ?? []
  const { stream_options: _, ...rest } = request
  expect(new Function(`return ${body}`)()).toEqual(rest)
})

test('the Python call names every argument, in Python’s words', () => {
  const code = codeSample('python', request, baseUrl)
  expect(code).toContain(`base_url="${baseUrl}"`)
  expect(code).toContain('    temperature=0.5,')
  expect(code).toContain('    stream=True,')
  expect(code).toContain(JSON.stringify(awkward))
  expect(codeSample('python', { model: 'a', messages: [] }, baseUrl)).not.toContain('stream')
})

test.each(sampleKinds)('%s holds a placeholder in the place of the key', (kind) => {
  expect(codeSample(kind, request, baseUrl)).toContain('YOUR_CLIENT_KEY')
})

test.each([
  ['https://gateway.example/#try', 'https://gateway.example/v1'],
  ['http://host:7860/prefix/?a=b#try', 'http://host:7860/prefix/v1'],
])('the API of a page at %s is %s', (page, api) => expect(baseUrlOf(page)).toBe(api))
