/** All client libraries against a gateway in this process. */
import { afterAll } from 'bun:test'
import { describeClientChecks } from './client-checks.ts'
import { startScriptedGateway } from './scripted-gateway.ts'

const running = await startScriptedGateway({ credentials: [{ kind: 'good' }, { kind: 'good' }, { kind: 'good' }] })
afterAll(() => running[Symbol.asyncDispose]())

describeClientChecks(running.endpoint)
