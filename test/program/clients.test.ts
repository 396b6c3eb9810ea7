/** The client libraries against the compiled binary: the same checks that a gateway in the test's own process passes. */
import { afterAll } from 'bun:test'
import { describeClientChecks } from '../clients/client-checks.ts'
import { clientKey } from '../helpers/program.ts'
import { startService } from './start-with.ts'

const credentials = {
  'sk-upstream-good-000000001': { kind: 'good' },
  'sk-upstream-good-000000002': { kind: 'good' },
} as const
const service = await startService({ credentials })
afterAll(() => service[Symbol.asyncDispose]())

describeClientChecks({ baseURL: `${service.gateway.url}/v1`, apiKey: clientKey })
