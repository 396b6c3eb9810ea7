/** The names of Scira's models: what a client's name stands for, and which ones can be told of. No list can be fetched. */
import type { SciraProviderConfig } from '../../domain.ts'

/** Null: no such model is known, and none serves all names. */
export function resolveModel(
  name: string,
  config: Pick<SciraProviderConfig, 'models' | 'defaultModel'>,
): string | null {
  return knownModel(name, config) ?? (config.defaultModel === null ? null : nameAtScira(config.defaultModel, config))
}

/** Configured names first; then what a caller of this kind could use, by the last published state of the generation. */
export function listNames(config: Pick<SciraProviderConfig, 'models' | 'generation'>, isSignedIn: boolean): string[] {
  const current = isSignedIn ? [...signedOutModels, ...signedInModels] : signedOutModels
  const own = config.generation === 'current' ? current : Object.keys(builtIn)
  return [...new Set([...Object.keys(config.models), ...own])]
}

function knownModel(name: string, { models }: Pick<SciraProviderConfig, 'models'>): string | null {
  if (Object.hasOwn(models, name)) return models[name] ?? null
  if (Object.hasOwn(builtIn, name)) return builtIn[name] ?? null
  return name.startsWith('scira-') ? name : null
}

function nameAtScira(name: string, config: Pick<SciraProviderConfig, 'models'>): string {
  return knownModel(name, config) ?? name
}

/**
 * The table of scira2api (CrisRain/Scira2API @ a5531a0, 2025-06-06). Of the current generation some names are gone and others need an account;
 * whoever asks for one of those is told so by Scira.
 */
const builtIn: Readonly<Record<string, string>> = {
  'claude-4-sonnet': 'scira-anthropic',
  'claude-4-sonnet-thinking': 'scira-anthropic-thinking',
  'gpt-4o': 'scira-4o',
  'o4-mini': 'scira-o4-mini',
  'grok-3': 'scira-grok-3',
  'grok-3-mini': 'scira-default',
  'grok-2-vision': 'scira-vision',
  'gemini-2.5-flash-preview-05-20': 'scira-google',
  'gemini-2.5-pro-preview-05-06': 'scira-google-pro',
}

/** zaidmukaddam/scira, ai/models.ts @ 7215d53 (2026-03-20): without the flag for a sign-in. */
const signedOutModels = [
  ...['scira-default', 'scira-qwen-32b', 'scira-qwen-32b-thinking', 'scira-nemotron-3-super', 'scira-qwen-4b'],
  ...['scira-trinity-large', 'scira-gemini-3.1-flash-lite', 'scira-step-3.5-flash'],
]

/** The same: with that flag, but free. */
const signedInModels = [
  ...['scira-qwen-4b-thinking', 'scira-gpt-oss-20', 'scira-gpt5-nano', 'scira-google-lite', 'scira-ministral-3b'],
  ...[
    'scira-ministral-8b',
    'scira-devstral',
    'scira-devstral-small',
    'scira-mistral-small',
    'scira-mistral-small-think',
  ],
  ...['scira-leanstral', 'scira-gpt-4.1-nano', 'scira-gpt-5.4-mini', 'scira-gpt-5.4-nano', 'scira-kimi-k2.5'],
  ...['scira-kimi-k2-v2', 'scira-glm-4.6v-flash'],
]
