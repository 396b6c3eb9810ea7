import { expect, test } from 'bun:test'
import { dirname, join, relative } from 'node:path'
import { Glob } from 'bun'

const root = join(import.meta.dir, '../src')

/** From the top down; a file may import its own row and those below. */
const rows = [
  ['main.ts', 'relaunch.ts'],
  ['commands'],
  ['server.ts'],
  ['simulator'],
  ['app.ts'],
  ['routes', 'dashboard'],
  ['access.ts'],
  ['gateway'],
  ['config'],
  ['providers'],
  ['stores'],
  ['formats'],
  ['domain.ts', 'errors.ts', 'log.ts', 'clock.ts', 'stop-signal.ts', 'version.ts'],
]

function rowOf(file: string): number {
  const [first = ''] = file.split('/')
  return rows.findIndex((names) => names.includes(first))
}

async function importsOf(file: string): Promise<string[]> {
  const text = await Bun.file(join(root, file)).text()
  const found = [...text.matchAll(/(?:from|import) '(\.{1,2}\/[^']+)'/g)].map((match) => match[1] ?? '')
  return found.map((path) => relative(root, join(root, dirname(file), path)))
}

/** Not a provider: what those share whose upstream knows only text. */
const sharedByProviders = 'text-tools'

const files = [...new Glob('**/*.ts').scanSync(root)].filter((file) => !file.endsWith('.d.ts'))

test('what must be set before anything else is imported is imported first', async () => {
  expect((await importsOf('main.ts'))[0]).toBe('relaunch.ts')
})

test('every source file has a place in the order of imports', () => {
  expect(files.filter((file) => rowOf(file) < 0)).toEqual([])
})

test('imports go down only', async () => {
  const wrong: string[] = []
  for (const file of files) {
    for (const target of await importsOf(file)) {
      if (target.startsWith('..')) continue
      if (rowOf(target) < rowOf(file)) wrong.push(`${file} → ${target}`)
    }
  }
  expect(wrong).toEqual([])
})

test('provider folders are blind to their neighbours, and the gateway to all of them', async () => {
  const wrong: string[] = []
  for (const file of files) {
    const own = /^providers\/([^/]+)\//.exec(file)?.[1]
    for (const target of await importsOf(file)) {
      const other = /^providers\/([^/]+)\//.exec(target)?.[1]
      const isRegistry = file === 'providers/registry.ts'
      const isShared = own !== undefined && other === sharedByProviders
      if (other !== undefined && other !== own && !isRegistry && !isShared) wrong.push(`${file} → ${target}`)
    }
  }
  expect(wrong).toEqual([])
})

test('only the HTTP surface imports Elysia, and only main.ts and relaunch.ts touch the process', async () => {
  const wrong: string[] = []
  for (const file of files) {
    const text = await Bun.file(join(root, file)).text()
    const isSurface = ['app.ts', 'access.ts'].includes(file) || file.startsWith('routes/')
    if (/from 'elysia/.test(text) && !isSurface) wrong.push(`${file}: elysia`)
    const isEntry = file === 'main.ts' || file === 'relaunch.ts'
    if (/\bprocess\.(?:env|argv|on|exit|kill)\b/.test(text) && !isEntry) wrong.push(`${file}: process`)
  }
  expect(wrong).toEqual([])
})
