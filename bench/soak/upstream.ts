/** The simulated upstream of the soak, in a process of its own; its parent asks how much came, and has idle connections closed. */
import { startOpenAiSimulator } from '../../src/simulator/openai.ts'
import { simulatedCredentials } from './settings.ts'

export type UpstreamQuestion = 'counts' | 'close'

export interface UpstreamState {
  readonly port: number
  /** Calls that came, model lists left out. */
  readonly calls: number
  readonly inFlight: number
  readonly connections: number
}

const simulator = startOpenAiSimulator({
  credentials: simulatedCredentials(Number(Bun.argv[2] ?? 1)),
  // Each request is looked at as it comes, none is kept: they are megabytes.
  recordLimit: 1,
})
let calls = 0
let lastNumber = 0
// Asked for each request, and never true.
simulator
  .waitFor(
    (request) => {
      if (request.number > lastNumber) {
        lastNumber = request.number
        if (request.method === 'POST') calls++
      }
      return false
    },
    2 ** 31 - 1,
  )
  .catch(() => {})

function tell(): void {
  const state: UpstreamState = {
    port: simulator.port,
    calls,
    inFlight: simulator.inFlight(),
    connections: simulator.openConnections(),
  }
  process.send?.(state)
}

process.on('message', (question: UpstreamQuestion) => {
  if (question === 'close') simulator.closeIdleConnections()
  tell()
})
process.on('disconnect', () => process.exit(0))
tell()
