/** Texts that come again and again, kept once and written as numbers elsewhere. */
import type { Database } from 'bun:sqlite'
import { text } from './column-values.ts'

export interface Names {
  /** Gives the number of a name of this kind, or the name itself where there are too many: clients choose some of them. */
  writerOf(kind: string): (name: string) => number | string
  /** As a writer, but makes none. */
  find(kind: string, name: string): number | string
  read(value: number | string): string
  /** After a transaction that failed: what it had made is gone. */
  forget(): void
  close(): void
}

const maxNamesOfKind = 5000

interface NameRow {
  id: number
  kind: string
  name: string
}

export function createNames(sqlite: Database): Names {
  const select = sqlite.prepare<NameRow, []>('SELECT id, kind, name FROM names')
  const insert = sqlite.prepare<{ id: number }, [string, string]>(
    'INSERT INTO names (kind, name) VALUES (?, ?) RETURNING id',
  )
  const idsByKind = new Map<string, Map<string, number>>()
  const names = new Map<number, string>()
  load()

  function load(): void {
    for (const ids of idsByKind.values()) ids.clear()
    names.clear()
    for (const { id, kind, name } of select.all()) keep(id, kind, name)
  }

  function idsOf(kind: string): Map<string, number> {
    const known = idsByKind.get(kind)
    if (known !== undefined) return known
    const created = new Map<string, number>()
    idsByKind.set(kind, created)
    return created
  }

  function keep(id: number, kind: string, name: string): void {
    idsOf(kind).set(name, id)
    names.set(id, name)
  }

  return {
    writerOf(kind) {
      const ids = idsOf(kind)
      return (written) => {
        const found = ids.get(written)
        if (found !== undefined) return found
        const name = text(written)
        const known = ids.get(name)
        if (known !== undefined) return known
        if (ids.size >= maxNamesOfKind) return name
        const id = insert.get(kind, name)?.id
        if (id === undefined) return name
        keep(id, kind, name)
        return id
      }
    },
    find(kind, written) {
      const name = text(written)
      return idsOf(kind).get(name) ?? name
    },
    read: (value) => (typeof value === 'string' ? value : (names.get(value) ?? '')),
    forget: load,
    close() {
      select.finalize()
      insert.finalize()
    },
  }
}
