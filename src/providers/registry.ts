/** The one list of providers. */
import type { ProviderConfig } from '../domain.ts'
import { createOpenAiProvider } from './openai/provider.ts'
import type { Provider } from './provider.ts'

export function createProvider(config: ProviderConfig): Provider {
  switch (config.type) {
    case 'openai':
      return createOpenAiProvider(config)
  }
}
