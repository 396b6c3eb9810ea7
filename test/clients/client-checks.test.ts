/** All client libraries against a gateway in this process. */
import { afterAll, setDefaultTimeout } from 'bun:test'
import { describeClientChecks } from './client-checks.ts'
import { startScriptedGateway } from './scripted-gateway.ts'

// Only a deadline for a test that hangs: none of them waits for time to pass.
setDefaultTimeout(30_000)

const running = await startScriptedGateway({ credentials: [{ kind: 'good' }, { kind: 'good' }, { kind: 'good' }] })
afterAll(() => running[Symbol.asyncDispose]())

describeClientChecks(running.endpoint)
