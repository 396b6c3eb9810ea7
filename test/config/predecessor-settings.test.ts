import { describe, expect, test } from 'bun:test'
import { predecessors } from '../../src/config/predecessors.ts'
import { pointerNames, replaceAt, treeOf } from '../../src/config/settings-tree.ts'
import { loadSettings, type Written } from './load-settings.ts'
import { type Effect, namedFiles, type ProgramSettings, programs } from './predecessor-settings.ts'

/** Names that these programs share with any2api itself. */
const ownNames = ['HOST', 'LOG_FORMAT', 'LOG_LEVEL', 'LOG_PATH', 'PORT']

test('every program has its settings in the table of this test, and no other has', () => {
  expect([...new Set(predecessors.map(({ title }) => title))].sort()).toEqual(programs.map(({ title }) => title).sort())
})

describe.each(programs.map((program) => [program.title, program] as const))('%s', (title, program) => {
  const meant = predecessors.filter((predecessor) => predecessor.title === title)

  test('each of its variables is in both tables', () => {
    const known = meant.flatMap(({ environment, recognisedBy, file }) => [
      ...Object.keys(environment),
      ...recognisedBy,
      ...(file.variable === null ? [] : [file.variable]),
    ])
    const tested = Object.keys(program.variables).filter((name) => !ownNames.includes(name))
    expect(tested.sort()).toEqual([...new Set(known)].sort())
  })

  test('each member of its file is in both tables', () => {
    const known = meant.flatMap(({ file }) => Object.keys(file.settings))
    expect(Object.keys(program.members).sort()).toEqual(known.sort())
  })

  const variables = Object.entries(program.variables).flatMap(([name, meanings]) =>
    meanings.map(([written, effect, beside = {}]) => [name, written, effect, beside] as const),
  )
  test.each(variables)('%s=%s does %j, beside %j', (name, written, effect, beside) => {
    const environment = { ...program.base.environment, ...beside, [name]: String(written) }
    expectEffect({ files: { ...namedFiles, ...program.base.files }, environment }, { name, effect })
  })

  test('of its sample files only published secrets are refused, and what does nothing is told in one line each', () => {
    const { files, refused, idle } = program.sample
    const { problems, notices } = loadSettings({ files })
    expect(problems.map(({ place }) => place)).toEqual([...refused])
    for (const { message } of problems) expect(message).toContain('is a published example or a placeholder')
    const told = notices.flatMap((notice) => /^[^ ]+ (\S+) has no effect here: /.exec(notice)?.[1] ?? [])
    expect(told).toEqual([...idle])
  })

  const members = Object.entries(program.members).flatMap(([pointer, meanings]) =>
    meanings.map(([written, effect]) => [pointer, written, effect] as const),
  )
  if (members.length === 0) return
  test.each(members)('%s: %j does %j', (pointer, written, effect) => {
    const files = { ...program.base.files, [program.file ?? '']: withMember(program, pointer, written) }
    const name = `${program.file}: ${pointer.slice(1).replaceAll('/', '.')}`
    expectEffect({ files, environment: program.base.environment }, { name, effect })
  })
})

function withMember({ base, file }: ProgramSettings, pointer: string, written: unknown): string {
  const tree = JSON.parse(base.files[file ?? ''] ?? '{}')
  if (pointerNames(pointer).length === 1) Object.assign(tree, treeOf(pointer, written))
  else replaceAt(tree, pointer, written)
  return JSON.stringify(tree)
}

function expectEffect(
  written: Written,
  { name, effect }: { readonly name: string; readonly effect: Effect | undefined },
): void {
  const { effective, problems, notices } = loadSettings(written)
  const mentions = notices.filter((notice) => notice.includes(`${name} has no effect here: `))
  if (typeof effect === 'object' && 'refused' in effect) {
    expect(problems.length).toBeGreaterThan(0)
    for (const { place, message } of problems) {
      expect(place).toContain(name)
      expect(message).toBe(String(effect.refused))
    }
    return
  }
  expect(problems).toEqual([])
  expect(mentions).toHaveLength(effect === 'no effect' ? 1 : 0)
  if (typeof effect !== 'object') return
  const found = Object.keys(effect).map((pointer) => [pointer, valueAt(effective, pointer)])
  expect(Object.fromEntries(found)).toEqual(effect)
}

function valueAt(tree: unknown, pointer: string): unknown {
  return pointerNames(pointer).reduce<unknown>(
    (at, name) => (typeof at === 'object' && at !== null ? Reflect.get(at, name) : undefined),
    tree,
  )
}
