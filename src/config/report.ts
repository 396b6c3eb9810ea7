/** Collects what loading has to say: problems that forbid a start, notices for the log, and the files to watch. */
export function createReport(): Report {
  const problems: Problem[] = []
  const notices: string[] = []
  const files = new Set<string>()
  const said = new Set<string>()

  return {
    problems,
    notices,
    files,
    problem(place, message) {
      const whole = `${place}\n${message}`
      if (said.has(whole)) return
      said.add(whole)
      problems.push({ place, message })
    },
    notice(text) {
      notices.push(text)
    },
    watch(file) {
      files.add(file)
    },
  }
}

/** What is wrong and where the operator finds it. Neither ever holds a secret. */
export interface Problem {
  readonly place: string
  readonly message: string
}

export interface Report {
  readonly problems: readonly Problem[]
  readonly notices: readonly string[]
  readonly files: ReadonlySet<string>
  problem(place: string, message: string): void
  notice(text: string): void
  watch(file: string): void
}
