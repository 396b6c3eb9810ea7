/** Reads a file for the loader: what the system says of a missing or forbidden one becomes a word, not an exception. */
export function readTextFile(readFile: ReadFile, path: string): TextFile {
  try {
    return { text: readFile(path), fault: null, isMissing: false }
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown error'
    return { text: null, fault: faults[code] ?? code, isMissing: missing.has(code) }
  }
}

/** Throws with the system's `code` as `node:fs` does. */
export type ReadFile = (path: string) => string

export type TextFile =
  | { readonly text: string; readonly fault: null; readonly isMissing: false }
  | { readonly text: null; readonly fault: string; readonly isMissing: boolean }

const missing = new Set(['ENOENT', 'ENOTDIR'])

const faults: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  ENOTDIR: 'there is no such file',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EISDIR: 'it is a folder',
}
