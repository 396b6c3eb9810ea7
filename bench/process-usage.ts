/** What a process has used so far, from Linux's /proc: processor time over all its threads, and memory. */
import { readFileSync } from 'node:fs'

/** User plus system time of the processes since their start, in seconds. Resolution: one clock tick, 10 ms. */
export function cpuSeconds(pids: readonly number[]): number {
  const ticks = pids.map((pid) => {
    // The second field, the command's name, may hold spaces: count from its closing bracket.
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
    return Number(fields[11]) + Number(fields[12])
  })
  return sum(ticks) / ticksPerSecond
}

/** Resident memory of the processes together, in bytes; pages they share are counted for each. */
export function residentBytes(pids: readonly number[]): number {
  return sum(
    pids.map((pid) => {
      const line = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))
      return Number(line?.[1] ?? 0) * 1024
    }),
  )
}

/** A process and its children. */
export function family(pid: number): number[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number)
  return [pid, ...children]
}

// The kernel's USER_HZ: 100 on every Linux that Bun runs on.
const ticksPerSecond = 100

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}
