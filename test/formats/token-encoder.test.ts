/** The counter counts what tiktoken counts, on text of many scripts, and its work grows no faster than the text. */
import { describe, expect, test } from 'bun:test'
import { join } from 'node:path'
import { Glob } from 'bun'
import { Tiktoken } from 'js-tiktoken/lite'
import { createTokenEncoder } from '../../src/formats/token-encoder.ts'
import { createChance } from '../helpers/random.ts'
import { encoders, rankFiles } from '../helpers/token-encoders.ts'

const names = ['o200k_base', 'cl100k_base'] as const
const references = { o200k_base: new Tiktoken(rankFiles.o200k_base), cl100k_base: new Tiktoken(rankFiles.cl100k_base) }
const expected = (name: (typeof names)[number], text: string) => references[name].encode(text, [], []).length

/** What is installed with the program anyway: documents in English with code, and translations into some forty languages. */
const corpusFiles = [
  '@biomejs/biome/README*.md',
  'zod/v4/locales/*.js',
  'openai/README.md',
  'ai/docs/**/*.mdx',
  'bun-types/docs/**/*.mdx',
]

const enoughLength = 1_150_000

async function readCorpus(): Promise<string[]> {
  const root = join(import.meta.dir, '../../node_modules')
  const texts: string[] = []
  let length = 0
  for (const pattern of corpusFiles)
    for (const file of [...new Glob(pattern).scanSync(root)].sort()) {
      if (length > enoughLength) return texts
      const text = await Bun.file(join(root, file)).text()
      length += text.length
      texts.push(text)
    }
  return texts
}

const linesAtOnce = 20
/** Beyond it tiktoken's own time grows with the square; ordinary text has no such lines. */
const maxLineLength = 600

function passages(text: string): string[] {
  const lines = text.split(/(?<=\n)/).filter((line) => line.length <= maxLineLength)
  return Array.from({ length: Math.ceil(lines.length / linesAtOnce) }, (_, at) =>
    lines.slice(at * linesAtOnce, (at + 1) * linesAtOnce).join(''),
  )
}

describe('a count is that of tiktoken', () => {
  test('over more than a megabyte of documents in many scripts, in both encodings', async () => {
    const corpus = (await readCorpus()).flatMap(passages)
    const all = corpus.join('')
    expect(Buffer.byteLength(all)).toBeGreaterThan(1_000_000)
    const scripts = [
      'Latin',
      'Cyrillic',
      'Han',
      'Hiragana',
      'Hangul',
      'Devanagari',
      'Arabic',
      'Hebrew',
      'Thai',
      'Tamil',
    ]
    const isRare = (script: string) => (all.match(new RegExp(`\\p{Script=${script}}`, 'gu'))?.length ?? 0) < 300
    expect(scripts.filter(isRare)).toEqual([])
    for (const name of names)
      for (const passage of corpus) {
        const { tokens, length } = encoders[name].count(passage)
        if (tokens !== expected(name, passage)) throw new Error(`${name} differs for ${JSON.stringify(passage)}`)
        expect(length).toBe(passage.length)
      }
  }, 60_000)

  test('for words put together at random from the vocabulary, and for random characters', () => {
    const chance = createChance(20)
    const vocabulary = rankFiles.o200k_base.bpe_ranks
      .split(' ')
      .slice(2)
      .map((token) => Buffer.from(token, 'base64').toString('utf8'))
    const pick = () => vocabulary[chance.below(vocabulary.length)] ?? ''
    const points = [0x250, 0x600, 0x3100, 0xa000, 0x10000, 0x1fa00] as const
    const character = () => String.fromCodePoint(chance.below(chance.pick(points)))
    for (const make of [pick, character])
      for (let round = 0; round < 300; round++) {
        const text = Array.from({ length: 60 }, make).join('')
        for (const name of names)
          expect([text, encoders[name].count(text).tokens]).toEqual([text, expected(name, text)])
      }
  }, 30_000)

  const samples: Readonly<Record<string, string>> = {
    nothing: '',
    'what looks like a special token': '<|endoftext|> and <|im_start|>',
    'lone surrogates': 'a\ud800b\udc00\ud800',
    'a zero byte and other controls': '\u0000\u0001\u007f\u0080 \u2028\u2029\ufeff',
    contractions: "I'll you'RE it'S 'tis DON'T they'd've",
    'all kinds of white space': ' \t\n\r\n \u00a0\u3000  x \n\n\n  y\t\t',
    'emoji joined to families': '👩‍👩‍👧‍👦👍🏽🇵🇱 ❤️‍🔥',
    'digits in threes': '1234567 12 ٣٤٥٦ ½²',
    '3,000 equal letters': 'a'.repeat(3000),
    '2,000 spaces and a letter': `${' '.repeat(2000)}x`,
    '1,000 different ideographs without a stop': Array.from({ length: 1000 }, (_, at) =>
      String.fromCodePoint(0x4e00 + ((at * 7919) % 20_000)),
    ).join(''),
  }
  for (const [what, text] of Object.entries(samples))
    test(`for ${what}`, () => {
      for (const name of names) expect(encoders[name].count(text).tokens).toBe(expected(name, text))
    }, 20_000)
})

const chance = createChance(4)
const hostile: Readonly<Record<string, string>> = {
  'equal letters': 'a'.repeat(40_000),
  'capital letters': 'A'.repeat(40_000),
  spaces: ' '.repeat(40_000),
  'spaces before a letter': `${' '.repeat(40_000)}x`,
  newlines: '\n'.repeat(40_000),
  'newlines and spaces before a letter': `${' \n'.repeat(10_000)}${' '.repeat(20_000)}x`,
  tabs: '\t'.repeat(40_000),
  'one ideograph': '的'.repeat(20_000),
  'many ideographs': Array.from({ length: 20_000 }, (_, at) =>
    String.fromCodePoint(0x4e00 + ((at * 7919) % 20_000)),
  ).join(''),
  'joined emoji': '👩‍👩‍👧'.repeat(2500),
  'marks over nothing': '\u0301'.repeat(20_000),
  'exclamation marks': '!'.repeat(40_000),
  digits: '7'.repeat(40_000),
  'letters beyond the basic plane': '𝐀𠀀'.repeat(10_000),
  'lone surrogates': '\ud800'.repeat(20_000),
  'random letters': Array.from({ length: 40_000 }, () => String.fromCharCode(97 + chance.below(26))).join(''),
  'random bytes': Array.from({ length: 40_000 }, () => String.fromCharCode(chance.below(256))).join(''),
  'random characters': Array.from({ length: 20_000 }, () => String.fromCharCode(chance.below(65_536))).join(''),
}

describe('the work grows with the length', () => {
  for (const [what, text] of Object.entries(hostile))
    test(`of ${what}`, () => {
      for (const name of names) {
        const stepsFor = (times: number) => {
          const encoder = encoders[name]
          const before = encoder.steps()
          const repeated = text.repeat(times)
          expect(encoder.count(repeated).length).toBe(repeated.length)
          return encoder.steps() - before
        }
        const once = stepsFor(1)
        expect(once).toBeLessThan(30 * text.length)
        expect(stepsFor(4)).toBeLessThan(4.2 * once + 1000)
      }
    }, 20_000)

  test('and stops where it is told to: at the end of a piece, or within one that is too long', () => {
    const encoder = createTokenEncoder(rankFiles.cl100k_base)
    const text = 'one two three four '.repeat(1000)
    const { tokens, length } = encoder.count(text, 100)
    expect(length).toBeWithin(200, 1000)
    expect(tokens).toBe(expected('cl100k_base', text.slice(0, length)))
    const run = 'a'.repeat(1_000_000)
    const part = encoder.count(run, 200_000)
    expect(part.length).toBeWithin(20_000, 200_000)
    expect(part.tokens / part.length).toBeCloseTo(1 / 8, 2)
    expect(encoder.count(text, 0)).toEqual({ tokens: 0, length: 0 })
  })
})
