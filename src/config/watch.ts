/** Tells when files change, however they are replaced. What to do then is not its business. */
import { type FSWatcher, type Stats, statSync, watch } from 'node:fs'
import { realpath, stat } from 'node:fs/promises'
import { dirname } from 'node:path'

/**
 * Watches folders, because the watch of a file goes deaf when the file is replaced by renaming. An event only makes it
 * look: `onChange` is called when a file really differs and has stopped changing. Files and folders need not exist.
 */
export function watchFiles(files: readonly string[], onChange: () => void, options: WatchOptions = {}): FileWatch {
  const { settleMs = 100, pollMs = 5000 } = options
  const watched = new Map<string, { readonly watcher: FSWatcher; readonly inode: number }>()
  let known = files.map(fingerprintNow).join('\n')
  let settling: string | null = null
  let timer: Timer | null = null
  let isClosed = false

  function lookSoon(): void {
    if (isClosed) return
    timer ??= setTimeout(() => {
      timer = null
      // What `onChange` throws is its own fault and must not end the program here.
      look().catch(() => {})
    }, settleMs)
    timer.unref()
  }

  async function look(): Promise<void> {
    await rewatch()
    const current = (await Promise.all(files.map(fingerprint))).join('\n')
    if (isClosed) return
    if (current === known) {
      settling = null
      return
    }
    if (current !== settling) {
      settling = current
      lookSoon()
      return
    }
    known = current
    settling = null
    onChange()
  }

  /** Folders appear, disappear and are replaced as well. */
  async function rewatch(): Promise<void> {
    const folders = new Set((await Promise.all(files.map(foldersOf))).flat())
    for (const folder of watched.keys()) {
      if (!folders.has(folder)) unwatch(folder)
    }
    for (const folder of folders) {
      const inode = await inodeOf(folder)
      if (watched.get(folder)?.inode === inode) continue
      unwatch(folder)
      if (inode !== null && !isClosed) watchFolder(folder, inode)
    }
  }

  function watchFolder(folder: string, inode: number): void {
    try {
      const watcher = watch(folder, { persistent: false }, lookSoon)
      watcher.on('error', () => unwatch(folder))
      watched.set(folder, { watcher, inode })
    } catch {
      // Without a watch (no permission, too many of them) the regular look remains.
    }
  }

  function unwatch(folder: string): void {
    watched.get(folder)?.watcher.close()
    watched.delete(folder)
  }

  const poll = setInterval(lookSoon, pollMs)
  poll.unref()
  void rewatch().then(lookSoon)

  return {
    close() {
      isClosed = true
      clearInterval(poll)
      if (timer !== null) clearTimeout(timer)
      for (const folder of [...watched.keys()]) unwatch(folder)
    },
  }
}

export interface WatchOptions {
  /** How long a file must stay the same before it counts as written. */
  readonly settleMs?: number
  /** For network file systems and whatever else sends no events. */
  readonly pollMs?: number
}

export interface FileWatch {
  close(): void
}

/** Follows symbolic links, so that a swapped link is a change. */
async function fingerprint(file: string): Promise<string> {
  return stat(file).then(describeStats, () => 'missing')
}

function fingerprintNow(file: string): string {
  try {
    return describeStats(statSync(file))
  } catch {
    return 'missing'
  }
}

function describeStats({ dev, ino, size, mtimeMs, ctimeMs }: Stats): string {
  return [dev, ino, size, mtimeMs, ctimeMs].join(':')
}

/** Its own folder, and the one where a symbolic link ends. */
async function foldersOf(file: string): Promise<readonly string[]> {
  const target = await realpath(file).catch(() => file)
  return [dirname(file), dirname(target)]
}

async function inodeOf(folder: string): Promise<number | null> {
  return stat(folder).then(
    ({ ino }) => ino,
    () => null,
  )
}
