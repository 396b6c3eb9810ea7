/** The published states of Scira's search route that are simulated: what each asks of a request and how it answers. */
import { MODELS_2025, MODELS_2026, type ModelTable } from './models.ts'

/** Named for the month. Between these there were others (`zaidmukaddam/scira`, app/api/search/route.ts, 2025-05-12 to 2026-03-20). */
export type GenerationName = '2025-05' | '2025-06' | '2026-03'

/** AI SDK 4's data stream, or the UI message stream of 5 and 6. */
export type AnswerFormat = 'data_stream' | 'ui_message_stream'

export interface Generation {
  readonly format: AnswerFormat
  /** Fields that must be there, beside `messages`. */
  readonly requiredFields: Readonly<Record<string, FieldType>>
  /** Fields that may be there. Others are ignored by the route, as JSON with more in it is. */
  readonly optionalFields: Readonly<Record<string, FieldType>>
  readonly messageForm: 'content' | 'parts'
  /** Whether a message may have the role `system`. Not known of the newest SDK: there it is refused, for whoever relies on it. */
  readonly areSystemMessagesAccepted: boolean
  /** By an allow-list, and by the user agent. */
  readonly isOriginChecked: boolean
  readonly groups: readonly string[]
  /** Those of `groups` that need a sign-in. */
  readonly signedInGroups: readonly string[]
  readonly models: ModelTable
}

export type FieldType = 'text' | 'boolean' | 'visibility' | 'list' | 'any'

const GROUPS_2025 = ['web', 'memory', 'analysis', 'chat', 'x', 'reddit', 'academic', 'youtube', 'extreme', 'buddy']

const GROUPS_2026 = [
  ...['web', 'chat', 'x', 'stocks', 'connectors', 'mcp', 'multi-agent', 'code', 'academic', 'extreme', 'memory'],
  ...['reddit', 'github', 'crypto', 'prediction', 'youtube', 'spotify', 'canvas'],
]

export const GENERATIONS: Readonly<Record<GenerationName, Generation>> = {
  /** 907d071, 2025-05-12. */
  '2025-05': {
    format: 'data_stream',
    requiredFields: { model: 'text', group: 'text', user_id: 'text', timezone: 'text' },
    optionalFields: {},
    messageForm: 'content',
    areSystemMessagesAccepted: true,
    isOriginChecked: false,
    groups: GROUPS_2025,
    signedInGroups: [],
    models: MODELS_2025,
  },
  /** 4132c87, 2025-06-04 to 06-09. */
  '2025-06': {
    format: 'data_stream',
    requiredFields: {
      model: 'text',
      group: 'text',
      timezone: 'text',
      id: 'text',
      selectedVisibilityType: 'visibility',
    },
    optionalFields: {},
    messageForm: 'content',
    areSystemMessagesAccepted: true,
    isOriginChecked: true,
    groups: GROUPS_2025,
    signedInGroups: [],
    models: MODELS_2025,
  },
  /** 7215d53, 2026-03-20. */
  '2026-03': {
    format: 'ui_message_stream',
    requiredFields: {
      model: 'text',
      group: 'text',
      timezone: 'text',
      id: 'text',
      selectedVisibilityType: 'visibility',
    },
    optionalFields: {
      isCustomInstructionsEnabled: 'boolean',
      isTemporaryChat: 'boolean',
      isAutoRouted: 'boolean',
      autoRouterEnabled: 'boolean',
      autoRouterConfig: 'any',
      searchProvider: 'text',
      extremeSearchModel: 'text',
      selectedConnectors: 'list',
    },
    messageForm: 'parts',
    areSystemMessagesAccepted: false,
    isOriginChecked: false,
    groups: GROUPS_2026,
    signedInGroups: ['extreme', 'mcp'],
    models: MODELS_2026,
  },
}
