/** Which models the simulated Scira has, and who may use them. */

/** Who may use a model: everybody, who is signed in, who pays. */
export type ModelAccess = 'signed_out' | 'signed_in' | 'pro'

export type ModelTable = Readonly<Record<string, ModelAccess>>

/** Of June 2025, before models asked for a sign-in (zaidmukaddam/scira, ai/providers.ts @ 352184e, 2025-06-07). */
export const MODELS_2025: ModelTable = tableOf({
  signed_out: [
    'scira-default',
    'scira-4o',
    'scira-o4-mini',
    'scira-anthropic',
    'scira-anthropic-thinking',
    'scira-grok-3',
    'scira-vision',
    'scira-google',
    'scira-google-pro',
    'scira-qwq',
    'scira-llama-4',
  ],
})

/** All that were free on 2026-03-20, and some of the others (zaidmukaddam/scira, ai/models.ts @ 7215d53). */
export const MODELS_2026: ModelTable = tableOf({
  signed_out: [
    'scira-default',
    'scira-qwen-32b',
    'scira-qwen-32b-thinking',
    'scira-nemotron-3-super',
    'scira-qwen-4b',
    'scira-trinity-large',
    'scira-gemini-3.1-flash-lite',
    'scira-step-3.5-flash',
  ],
  signed_in: [
    'scira-qwen-4b-thinking',
    'scira-gpt-oss-20',
    'scira-gpt5-nano',
    'scira-google-lite',
    'scira-ministral-3b',
    'scira-ministral-8b',
    'scira-devstral',
    'scira-devstral-small',
    'scira-mistral-small',
    'scira-mistral-small-think',
    'scira-leanstral',
    'scira-gpt-4.1-nano',
    'scira-gpt-5.4-mini',
    'scira-gpt-5.4-nano',
    'scira-kimi-k2.5',
    'scira-kimi-k2-v2',
    'scira-glm-4.6v-flash',
  ],
  pro: ['scira-anthropic', 'scira-o4-mini', 'scira-grok-3', 'scira-google', 'scira-google-pro'],
})

function tableOf(lists: Partial<Record<ModelAccess, readonly string[]>>): ModelTable {
  const rows = Object.entries(lists) as [ModelAccess, readonly string[]][]
  return Object.fromEntries(rows.flatMap(([access, names]) => names.map((name) => [name, access])))
}
