/** Which addresses go around a proxy. */
import { expect, test } from 'bun:test'
import { createBypass, isBypassEntry } from '../../src/providers/bypass.ts'

const rows: readonly (readonly [string, readonly string[], readonly string[]])[] = [
  ['*', ['http://a', 'https://1.2.3.4:5'], []],
  [
    'example.com',
    ['https://example.com', 'https://api.example.com', 'https://EXAMPLE.com.'],
    ['https://badexample.com'],
  ],
  ['.example.com', ['https://api.example.com', 'https://example.com'], ['https://example.org']],
  ['*.Example.com', ['https://api.example.com'], ['https://example.com.evil.org']],
  ['example.com:8443', ['https://example.com:8443'], ['https://example.com']],
  ['example.com:443', ['https://example.com'], ['http://example.com']],
  ['localhost', ['http://localhost:1'], ['http://127.0.0.1']],
  ['127.0.0.1', ['http://127.0.0.1:9'], ['http://127.0.0.2', 'http://localhost']],
  ['127.0.0.1:80', ['http://127.0.0.1'], ['https://127.0.0.1']],
  ['10.0.0.0/8', ['http://10.255.0.1'], ['http://11.0.0.1', 'http://10.example.com', 'http://[::a00:1]']],
  ['192.168.1.128/25', ['http://192.168.1.200'], ['http://192.168.1.5']],
  ['::1', ['http://[::1]:5'], ['http://[::2]']],
  ['[::0001]:80', ['http://[::1]'], ['https://[::1]']],
  ['fd00::/8', ['http://[fd12::1]'], ['http://[fe80::1]', 'http://10.0.0.1']],
]

for (const [entry, around, through] of rows) {
  test(`${entry} goes around`, () => {
    expect(isBypassEntry(entry)).toBe(true)
    const isBypassed = createBypass(['other.test', entry])
    expect(around.filter((url) => !isBypassed(new URL(url)))).toEqual([])
    expect(through.filter((url) => isBypassed(new URL(url)))).toEqual([])
  })
}

test('what is no entry matches nothing', () => {
  for (const entry of ['', 'http://a', 'a b', '10.0.0.0/33', 'x/8', 'a:b', '*a*', '..']) {
    expect([entry, isBypassEntry(entry)]).toEqual([entry, false])
    expect(createBypass([entry])(new URL('http://a'))).toBe(false)
  }
})
