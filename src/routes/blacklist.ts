/** `GET /blacklist`: which credentials are out, why, and until when. A whole key is never shown. */
import type { BlacklistEntry } from '../domain.ts'
import type { CredentialStatus } from '../gateway/credential-pool.ts'
import type { Gateway } from '../gateway/gateway.ts'
import { documentRoute } from './documentation.ts'

export function blacklist({ gateway }: { gateway: Gateway }) {
  return (): Response => {
    const { counts, providers } = gateway.status()
    const entries = providers.flatMap((provider) =>
      provider.credentials.flatMap((credential) =>
        credential.entries.map((entry) => ({ isWhole: entry.scope === '', shown: describeEntry(credential, entry) })),
      ),
    )
    const blacklistedKeys = entries.filter((entry) => entry.isWhole).map((entry) => entry.shown)
    return Response.json({
      totalBlacklisted: blacklistedKeys.length,
      totalKeys: counts.total,
      healthyKeys: counts.healthy,
      blacklistedKeys,
      // These serve other models: counted as healthy, and listed apart so that the sums above come out.
      restingKeys: entries.filter((entry) => !entry.isWhole).map((entry) => entry.shown),
    })
  }
}

function describeEntry({ index, label }: CredentialStatus, entry: BlacklistEntry) {
  return {
    index,
    lineNumber: index + 1,
    keyPreview: label,
    // A name that scripts read; what stands here is the same preview.
    fullKey: label,
    provider: entry.provider,
    reason: entry.reason,
    detail: entry.detail,
    scope: entry.scope === '' ? null : entry.scope,
    since: new Date(entry.since).toISOString(),
    until: entry.until === null ? null : new Date(entry.until).toISOString(),
  }
}

export const blacklistDocumentation = documentRoute({
  tag: 'Operation',
  key: 'admin',
  summary: 'Excluded credentials',
  description:
    'Credentials that cool down (`until` names the end) or are blacklisted until a check finds them working (`until` is null). `restingKeys` are those that rest for one model or path only. `lineNumber` counts within the provider.',
  answer: {
    description: 'The excluded credentials',
    example: {
      totalBlacklisted: 1,
      totalKeys: 3,
      healthyKeys: 2,
      blacklistedKeys: [
        {
          index: 1,
          lineNumber: 2,
          keyPreview: '7be2d410…6789',
          fullKey: '7be2d410…6789',
          provider: 'openai',
          reason: 'invalid_credential',
          detail: '401 invalid_api_key',
          scope: null,
          since: '2030-01-01T08:00:00.000Z',
          until: null,
        },
      ],
      restingKeys: [],
    },
  },
})
