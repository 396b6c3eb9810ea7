/** The one list of providers. */
import { type Clock, systemClock } from '../clock.ts'
import type { ProviderConfig } from '../domain.ts'
import { createOndemandProvider } from './ondemand/provider.ts'
import { createOpenAiProvider } from './openai/provider.ts'
import type { Provider } from './provider.ts'
import { createSciraProvider } from './scira/provider.ts'

/** `previous`: the provider of the same name before a reload; what it keeps (tokens, sessions, lists) is taken over. */
export function createProvider(
  config: ProviderConfig,
  previous: Provider | null = null,
  clock: Clock = systemClock,
): Provider {
  switch (config.type) {
    case 'openai':
      return createOpenAiProvider(config)
    case 'ondemand':
      return createOndemandProvider(config, previous, clock)
    case 'scira':
      return createSciraProvider(config, clock)
  }
}
