/** What processes have used so far, from Linux's /proc: processor time over all their threads and children, and memory. */
import { readdirSync, readFileSync } from 'node:fs'

/**
 * User plus system time of the processes and all below them since their start, in seconds; that of children which have ended
 * is in their parents'. Resolution: one clock tick, 10 ms.
 */
export function cpuSeconds(pids: readonly number[]): number {
  const ticks = withDescendants(pids).map((pid) => {
    // The second field, the command's name, may hold spaces: count from its closing bracket.
    const text = readProc(`/proc/${pid}/stat`)
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
    return text === '' ? 0 : sum(fields.slice(11, 15).map(Number))
  })
  return sum(ticks) / ticksPerSecond
}

/** Resident memory of the processes and all below them, in bytes; pages they share are counted for each. */
export function residentBytes(pids: readonly number[]): number {
  return sum(
    withDescendants(pids).map((pid) => {
      const line = /^VmRSS:\s+(\d+) kB$/m.exec(readProc(`/proc/${pid}/status`))
      return Number(line?.[1] ?? 0) * 1024
    }),
  )
}

/** The part of the time since `before` in which some processor had nothing to do, of all processors together: 0 is a full machine. */
export function idleShare(before: MachineTime, after: MachineTime): number {
  return (after.idle - before.idle) / Math.max(1, after.total - before.total)
}

export interface MachineTime {
  readonly idle: number
  readonly total: number
}

export function machineTime(): MachineTime {
  const ticks = (readProc('/proc/stat').split('\n')[0] ?? '').split(/\s+/).slice(1, 9).map(Number)
  return { idle: (ticks[3] ?? 0) + (ticks[4] ?? 0), total: sum(ticks) }
}

// The kernel's USER_HZ: 100 on every Linux that Bun runs on.
const ticksPerSecond = 100

/** The processes and all below them: any thread may have started a child. */
export function withDescendants(pids: readonly number[]): number[] {
  const found = new Set<number>()
  const add = (pid: number) => {
    if (found.has(pid)) return
    found.add(pid)
    for (const child of childrenOf(pid)) add(child)
  }
  for (const pid of pids) add(pid)
  return [...found]
}

function childrenOf(pid: number): number[] {
  try {
    return readdirSync(`/proc/${pid}/task`).flatMap((thread) =>
      readProc(`/proc/${pid}/task/${thread}/children`).split(' ').filter(Boolean).map(Number),
    )
  } catch {
    return []
  }
}

/** Empty where the process has ended. */
function readProc(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}
