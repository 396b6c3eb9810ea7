/** Says on stderr what is being done and about how long it will still take. */

export interface Progress {
  /** What begins now, and how long it was planned to take. */
  step(text: string, plannedSeconds: number): void
  end(): void
}

/** A line of a terminal is written over; elsewhere a line comes with each new case, which is the text up to the first comma. */
export function createProgress(totalSeconds: number): Progress {
  const begin = performance.now()
  let doneSeconds = 0
  let stepSeconds = 0
  let lastCase = ''
  return {
    step(text, plannedSeconds) {
      doneSeconds += stepSeconds
      stepSeconds = plannedSeconds
      const line = `[${timeLeft()} left] ${text}`
      if (process.stderr.isTTY) return void process.stderr.write(`\r\x1b[K${line}`)
      const name = text.slice(0, text.lastIndexOf(', '))
      if (name !== lastCase) process.stderr.write(`${line}\n`)
      lastCase = name
    },
    end() {
      if (process.stderr.isTTY) process.stderr.write('\r\x1b[K')
    },
  }

  /** The plan, corrected by how it went so far. */
  function timeLeft(): string {
    const elapsedSeconds = (performance.now() - begin) / 1_000
    const pace = doneSeconds < 20 ? 1 : elapsedSeconds / doneSeconds
    const seconds = Math.max(0, Math.round((totalSeconds - doneSeconds) * pace))
    return `about ${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`
  }
}
