/** The simulated upstream of the soak, in a process of its own; its parent asks how much came, and has idle connections closed. */
import { startOpenAiSimulator } from '../../src/simulator/openai.ts'
import { numberHeader, simulatedCredentials } from './settings.ts'

export type UpstreamQuestion = 'counts' | 'close'

export interface UpstreamState {
  readonly port: number
  /** Calls that came, model lists left out. */
  readonly calls: number
  /** Of those with a number (see calls.ts): how often each came, as pairs. Only in the answer to `counts`. */
  readonly numbered: readonly (readonly [number: number, times: number])[]
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
const numbered = new Map<number, number>()
// Asked for each request, and never true.
simulator
  .waitFor(
    (request) => {
      if (request.number > lastNumber) {
        lastNumber = request.number
        if (request.method === 'POST') calls++
        const own = Number(request.header(numberHeader) ?? Number.NaN)
        if (Number.isFinite(own)) numbered.set(own, (numbered.get(own) ?? 0) + 1)
      }
      return false
    },
    2 ** 31 - 1,
  )
  .catch(() => {})

function tell(isAsked: boolean): void {
  const state: UpstreamState = {
    port: simulator.port,
    calls,
    numbered: isAsked ? [...numbered] : [],
    inFlight: simulator.inFlight(),
    connections: simulator.openConnections(),
  }
  process.send?.(state)
}

process.on('message', (question: UpstreamQuestion) => {
  if (question === 'close') simulator.closeIdleConnections()
  tell(question === 'counts')
})
process.on('disconnect', () => process.exit(0))
tell(false)
