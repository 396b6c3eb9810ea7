/** The checks of all client libraries as one suite, for any running gateway: in this process, or the compiled binary. */
import { describe, test } from 'bun:test'
import { aiSdkChecks } from './ai-sdk-checks.ts'
import type { ClientCheck, ClientEndpoint } from './client-check.ts'
import { langchainChecks } from './langchain-checks.ts'
import { openaiChecks } from './openai-checks.ts'

/** Declares a test for each. The upstream must be the simulator with good credentials, its model list the default one. */
export function describeClientChecks(endpoint: ClientEndpoint): void {
  for (const [library, checks] of Object.entries(clientChecks)) {
    describe(library, () => {
      for (const check of checks) test(check.name, () => check.run(endpoint))
    })
  }
}

/** By npm's name of the library. */
export const clientChecks: Readonly<Record<string, readonly ClientCheck[]>> = {
  openai: openaiChecks,
  '@ai-sdk/openai-compatible': aiSdkChecks,
  '@langchain/openai': langchainChecks,
}
