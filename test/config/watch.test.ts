import { afterEach, describe, expect, test } from 'bun:test'
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type FileWatch, type WatchOptions, watchFiles } from '../../src/config/watch.ts'

const opened: { folder: string; watch: FileWatch }[] = []

afterEach(() => {
  for (const { folder, watch } of opened.splice(0)) {
    watch.close()
    rmSync(folder, { recursive: true, force: true })
  }
})

/** Watches without polling, unless asked for, so that only events can explain what is noticed. */
function start(prepare: (folder: string) => readonly string[], options: WatchOptions = { pollMs: 600_000 }) {
  const folder = mkdtempSync(join(tmpdir(), 'watch-'))
  const files = prepare(folder)
  let changes = 0
  const watch = watchFiles(files, () => changes++, { settleMs: 20, ...options })
  opened.push({ folder, watch })
  return { folder, watch, changes: () => changes }
}

async function until(isTrue: () => boolean): Promise<void> {
  const deadline = Date.now() + 4000
  while (!isTrue() && Date.now() < deadline) await Bun.sleep(10)
  expect(isTrue()).toBe(true)
}

function oneFile(folder: string): readonly string[] {
  writeFileSync(join(folder, 'a.yaml'), 'one')
  return [join(folder, 'a.yaml')]
}

describe('a change is noticed', () => {
  const ways: readonly [string, (folder: string) => void][] = [
    ['written in place', (folder) => writeFileSync(join(folder, 'a.yaml'), 'two!')],
    [
      'replaced by renaming',
      (folder) => {
        writeFileSync(join(folder, '.a.tmp'), 'two!')
        renameSync(join(folder, '.a.tmp'), join(folder, 'a.yaml'))
      },
    ],
    [
      'moved away and written anew, as vim does',
      (folder) => {
        renameSync(join(folder, 'a.yaml'), join(folder, 'a.yaml~'))
        writeFileSync(join(folder, 'a.yaml'), 'two!')
        unlinkSync(join(folder, 'a.yaml~'))
      },
    ],
    [
      'deleted and written anew',
      (folder) => {
        unlinkSync(join(folder, 'a.yaml'))
        writeFileSync(join(folder, 'a.yaml'), 'two!')
      },
    ],
    ['deleted', (folder) => unlinkSync(join(folder, 'a.yaml'))],
  ]
  test.each(ways)('of a file that is %s, again and again', async (_, change) => {
    const { folder, changes } = start(oneFile)
    for (let round = 1; round <= 3; round++) {
      change(folder)
      await until(() => changes() >= round)
      const seen = changes()
      writeFileSync(join(folder, 'a.yaml'), `round ${round} ends`)
      await until(() => changes() > seen)
    }
  })

  test('of a link that Kubernetes swaps', async () => {
    const { folder, changes } = start((at) => {
      for (const version of ['..v1', '..v2', '..v3']) {
        mkdirSync(join(at, version))
        writeFileSync(join(at, version, 'a.yaml'), 'same length')
      }
      symlinkSync('..v1', join(at, '..data'))
      symlinkSync('..data/a.yaml', join(at, 'a.yaml'))
      return [join(at, 'a.yaml')]
    })
    for (const [index, version] of ['..v2', '..v3'].entries()) {
      symlinkSync(version, join(folder, '..data_tmp'))
      renameSync(join(folder, '..data_tmp'), join(folder, '..data'))
      await until(() => changes() === index + 1)
    }
  })

  test('of a file that was not there', async () => {
    const { folder, changes } = start((at) => [join(at, '.env')])
    writeFileSync(join(folder, '.env'), 'A=1')
    await until(() => changes() === 1)
  })

  test('of the file behind a link', async () => {
    const { folder, changes } = start((at) => {
      mkdirSync(join(at, 'else'))
      writeFileSync(join(at, 'else', 'real'), 'one')
      symlinkSync(join(at, 'else', 'real'), join(at, 'a.yaml'))
      return [join(at, 'a.yaml')]
    })
    writeFileSync(join(folder, 'else', 'real'), 'two!')
    await until(() => changes() === 1)
  })

  test('in a folder that appears, vanishes and appears again', async () => {
    const { folder, changes } = start((at) => [join(at, 'later', 'keys.txt')], { pollMs: 20 })
    mkdirSync(join(folder, 'later'))
    writeFileSync(join(folder, 'later', 'keys.txt'), 'one')
    await until(() => changes() === 1)
    rmSync(join(folder, 'later'), { recursive: true })
    await until(() => changes() === 2)
    mkdirSync(join(folder, 'later'))
    writeFileSync(join(folder, 'later', 'keys.txt'), 'two!')
    await until(() => changes() === 3)
  })
})

describe('no change', () => {
  test('is made of other files, many writes at once, or anything after closing', async () => {
    const { folder, watch, changes } = start(oneFile)
    for (let index = 0; index < 50; index++) writeFileSync(join(folder, 'other.log'), `${index}`)
    for (let index = 0; index < 50; index++) writeFileSync(join(folder, 'a.yaml'), `${index}`)
    await until(() => changes() === 1)
    writeFileSync(join(folder, 'other.log'), 'more')
    watch.close()
    writeFileSync(join(folder, 'a.yaml'), 'after the end')
    // What must not happen cannot be waited for; several times the settling time is enough to see it happen.
    await Bun.sleep(150)
    expect(changes()).toBe(1)
  })

  test('ends the program when the receiver fails', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'watch-'))
    const [file = ''] = oneFile(folder)
    let calls = 0
    const watch = watchFiles(
      [file],
      () => {
        calls++
        throw new Error('on purpose')
      },
      { settleMs: 20 },
    )
    opened.push({ folder, watch })
    writeFileSync(file, 'two!')
    await until(() => calls === 1)
    writeFileSync(file, 'three!')
    await until(() => calls === 2)
  })
})
