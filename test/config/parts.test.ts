import { describe, expect, test } from 'bun:test'
import { createCredential, maskSecret } from '../../src/config/credential.ts'
import { parseEnvFile } from '../../src/config/env-file.ts'
import { nearestName } from '../../src/config/nearest-name.ts'
import { configSchema } from '../../src/config/schema.ts'
import { formatDuration, formatSize, parseDuration, parseSize } from '../../src/config/units.ts'

describe('credentials', () => {
  test('the id is that of provider type and secret, whatever the place in a file', () => {
    const one = createCredential('openai', 'sk-1234567890abcdef')
    expect(one.id).toMatch(/^[0-9a-f]{16}$/)
    expect(createCredential('openai', 'sk-1234567890abcdef').id).toBe(one.id)
    expect(createCredential('other', 'sk-1234567890abcdef').id).not.toBe(one.id)
    expect(one.label).toBe(`${one.id.slice(0, 8)}…cdef`)
    expect(one.reveal()).toBe('sk-1234567890abcdef')
    expect(JSON.stringify(one)).not.toContain('1234567890')
  })

  test('of a secret under 16 characters no part is shown', () => {
    expect(createCredential('openai', '123456789012345').label).toMatch(/^[0-9a-f]{8}…$/)
    expect(maskSecret('123456789012345')).toMatch(/^[0-9a-f]{8}…$/)
    expect(maskSecret('1234567890123456')).toMatch(/^[0-9a-f]{8}…3456$/)
  })
})

describe('.env', () => {
  test.each([
    ['A=1', '1'],
    ['export A=1', '1'],
    ['  A = 1  ', '1'],
    ['A=1\r\nB=2', '1'],
    ['\ufeffA=1', '1'],
    ['A=', ''],
    ['A=# nothing', ''],
    ['A=a#b', 'a#b'],
    ['A=a b # mine', 'a b'],
    ['A="a # b" # mine', 'a # b'],
    ["A='a\\nb'", 'a\\nb'],
    ['A="a\\nb\\"c\\\\"', 'a\nb"c\\'],
    ['A=a=b', 'a=b'],
    ['# A=2\nA=1', '1'],
    ['A=1\nA=2', '2'],
  ])('%j sets A to %j', (text, value) => {
    expect(parseEnvFile(text)).toMatchObject({ values: { A: value }, badLines: [] })
  })

  test('lines that mean nothing are counted', () => {
    expect(parseEnvFile('A=1\nnonsense\n\n1B=2\nC="open\nD="x" y').badLines).toEqual([2, 4, 5, 6])
  })
})

describe('units', () => {
  test.each([
    ['500ms', 500],
    ['45s', 45_000],
    ['1.5m', 90_000],
    ['1h', 3_600_000],
    ['90d', 7_776_000_000],
  ])('%s is %d milliseconds', (text, milliseconds) => {
    expect(parseDuration(text)).toBe(milliseconds)
    expect(parseDuration(formatDuration(milliseconds))).toBe(milliseconds)
  })

  test.each([
    ['64MiB', 67_108_864],
    ['10MB', 10_000_000],
    ['512KiB', 524_288],
    ['7B', 7],
  ])('%s is %d bytes', (text, bytes) => {
    expect(parseSize(text)).toBe(bytes)
    expect(formatSize(bytes)).toBe(text)
  })
})

describe('nearest name', () => {
  test.each([
    ['base_ulr', 'base_url'],
    ['key', 'keys'],
    ['KEYS', 'keys'],
    ['rotatoin', 'rotation'],
    ['zebra', null],
  ])('%s was meant as %j', (written, meant) => {
    expect(nearestName(written, ['base_url', 'keys', 'keys_file', 'rotation'])).toBe(meant)
  })
})

describe('the schema for editors', () => {
  test('is closed, says what every setting means, and requires only what has no default', () => {
    const objects: string[] = []
    const undescribed: string[] = []
    function visit(schema: unknown, path: string): void {
      if (typeof schema !== 'object' || schema === null) return
      const { properties, type, additionalProperties, patternProperties } = schema as Record<string, unknown>
      if (type === 'object' && patternProperties === undefined && additionalProperties !== false) objects.push(path)
      for (const [name, inner] of Object.entries(properties ?? {})) {
        const { description, type: kind } = inner as Record<string, unknown>
        if (description === undefined && kind !== 'object') undescribed.push(`${path}.${name}`)
      }
      for (const [name, inner] of Object.entries(schema)) visit(inner, `${path}.${name}`)
    }
    visit(configSchema, '')
    expect(objects).toEqual([])
    expect(undescribed).toEqual([])
    expect(configSchema.required).toBeUndefined()
  })
})
