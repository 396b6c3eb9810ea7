/** Pictures by the examples of OpenAI's guide, their sizes read out of the first bytes. */
import { describe, expect, test } from 'bun:test'
import { fileTokens, pictureTokens, soundTokens } from '../../src/formats/image-tokens.ts'

const dataUrl = (bytes: Buffer, type = 'image/png') => `data:${type};base64,${bytes.toString('base64')}`

function png(width: number, height: number): string {
  const bytes = Buffer.alloc(64)
  bytes.write('\x89PNG\r\n\x1a\n', 'latin1')
  bytes.writeUInt32BE(width, 16)
  bytes.writeUInt32BE(height, 20)
  return dataUrl(bytes)
}

function gif(width: number, height: number): string {
  const bytes = Buffer.alloc(64)
  bytes.write('GIF89a', 'latin1')
  bytes.writeUInt16LE(width, 6)
  bytes.writeUInt16LE(height, 8)
  return dataUrl(bytes)
}

/** With a preview of 60 kB in front of the frame, as cameras write it. */
function jpeg(width: number, height: number): string {
  const preview = Buffer.alloc(60_000)
  preview.set([0xff, 0xe1])
  preview.writeUInt16BE(preview.length - 2, 2)
  const frame = Buffer.alloc(20)
  frame.set([0xff, 0xc2])
  frame.writeUInt16BE(17, 2)
  frame.writeUInt16BE(height, 5)
  frame.writeUInt16BE(width, 7)
  return dataUrl(Buffer.concat([Buffer.from([0xff, 0xd8]), preview, frame]))
}

function webp(kind: string, write: (bytes: Buffer) => void): string {
  const bytes = Buffer.alloc(64)
  bytes.write(`RIFF....WEBP${kind}`, 'latin1')
  write(bytes)
  return dataUrl(bytes)
}

const lossy = (width: number, height: number) =>
  webp('VP8 ', (bytes) => {
    bytes.writeUInt16LE(width, 26)
    bytes.writeUInt16LE(height, 28)
  })
const lossless = (width: number, height: number) =>
  webp('VP8L', (bytes) => bytes.writeUInt32LE((width - 1) | ((height - 1) << 14), 21))
const extended = (width: number, height: number) =>
  webp('VP8X', (bytes) => {
    bytes.writeUIntLE(width - 1, 24, 3)
    bytes.writeUIntLE(height - 1, 27, 3)
  })

const high = (url: string, model: string) => pictureTokens({ url, detail: 'high' }, model)

describe('a picture', () => {
  const published: readonly (readonly [string, number, number, number])[] = [
    ['gpt-4o', 1024, 1024, 765],
    ['gpt-4o', 2048, 4096, 1105],
    ['gpt-4.1-mini', 1024, 1024, Math.ceil(1024 * 1.62)],
    ['o4-mini', 1800, 2400, Math.ceil(1452 * 1.72)],
    ['gpt-4.1-nano', 1800, 2400, Math.ceil(1452 * 2.46)],
    ['gpt-5-mini', 32, 33, Math.ceil(2 * 1.62)],
    ['gpt-4o-mini', 1024, 1024, 2833 + 4 * 5667],
    ['gpt-5', 1024, 1024, 70 + 4 * 140],
    ['o1', 1024, 1024, 75 + 4 * 150],
    ['o3', 512, 512, 75 + 150],
    ['o3-mini', 512, 512, 85 + 170],
    ['somebody-else', 1, 1, 85 + 170],
  ]
  for (const [model, width, height, tokens] of published)
    test(`of ${width} by ${height} counts ${tokens} for ${model}`, () =>
      expect(high(png(width, height), model)).toBe(tokens))

  for (const [format, make] of Object.entries({ png, gif, jpeg, lossy, lossless, extended }))
    test(`shows its size as ${format}`, () => {
      for (const [width, height, tiles] of [
        [512, 512, 1],
        [513, 512, 2],
        [512, 1536, 3],
        [2048, 1024, 6],
      ] as const)
        expect(high(make(width, height), 'gpt-4o')).toBe(85 + 170 * tiles)
    })

  test('of low detail counts the base alone, except where there are no details', () => {
    const low = (model: string) => pictureTokens({ url: png(2000, 2000), detail: 'low' }, model)
    expect([low('gpt-4o'), low('gpt-4o-mini'), low('gpt-5'), low('o1')]).toEqual([85, 2833, 70, 75])
    expect(low('gpt-4.1-mini')).toBe(high(png(2000, 2000), 'gpt-4.1-mini'))
  })

  test('of any shape counts something, and no more than the largest', () => {
    for (const [width, height] of [
      [1, 1],
      [1, 4_000_000_000],
      [100_000, 1],
      [4_000_000_000, 4_000_000_000],
    ] as const) {
      expect(high(png(width, height), 'gpt-4o')).toBeWithin(85 + 170, 85 + 170 * 8 + 1)
      expect(high(png(width, height), 'gpt-4.1-mini')).toBeWithin(1, Math.ceil(1536 * 1.62) + 1)
    }
  })

  test('whose size cannot be known counts as 1024 by 1024', () => {
    const unknown = ['https://example.com/cat.png', '', 'data:', 'data:image/png;base64,', 'data:image/png;base64,AAAA']
    const broken = [png(0, 0), dataUrl(Buffer.from([0xff, 0xd8, ...Array(40).fill(0xff)])), 'data:,x']
    for (const url of [...unknown, ...broken]) expect(high(url, 'gpt-4o')).toBe(765)
  })
})

test('a sound counts ten tokens a second: as its header says, else at 128 kbit/s', () => {
  const wave = Buffer.alloc(48_000 * 3)
  wave.write('RIFF', 'latin1')
  wave.writeUInt32LE(48_000, 28)
  expect(soundTokens(wave.toString('base64'))).toBeWithin(30, 32)
  expect(soundTokens(Buffer.alloc(32_000).toString('base64'))).toBeWithin(20, 22)
  expect(soundTokens('')).toBe(0)
})

test('a file counts at least a page, and one for each 50 kB', () => {
  const page = fileTokens('', 'gpt-4o')
  expect(page).toBe(500 + 765)
  expect(fileTokens(Buffer.alloc(120_000).toString('base64'), 'gpt-4o')).toBe(3 * page)
})
