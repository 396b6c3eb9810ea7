/**
 * Ferro Labs' gateway: its own binary, as its makers put it into PyPI (the Go module is github.com/ferro-labs/ai-gateway, whose
 * proxy answered "403 Forbidden: This module version is not available" on 2026-11-21).
 * On: access by its master key, metrics, one target with the strategy `single`. Off: databases, plugins, tracing, which all are off by default
 * ("zero-allocation no-op until you turn it on", its README); its rate limit for
 * each address, log lines below errors. It listens on all addresses and cannot be told otherwise.
 */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { clientKey } from '../subjects.ts'
import { pip } from './install.ts'
import { type Peer, upstreamKey, upstreamUrl } from './peer.ts'

const version = '1.5.10'

export const ferro: Peer = {
  name: 'Ferro',
  version,
  install: pip(`ferrogw==${version}`),
  async launch(place) {
    const file = join(place.scratch, 'config.yaml')
    const config = { apiVersion: 'v1', strategy: { mode: 'single' }, targets: [{ virtual_key: 'openai' }] }
    await writeFile(file, JSON.stringify(config))
    return {
      command: [join(place.home, 'venv/bin/ferrogw'), 'serve'],
      environment: {
        GATEWAY_CONFIG: file,
        PORT: String(place.port),
        GATEWAY_ENV: 'production',
        MASTER_KEY: clientKey,
        OPENAI_API_KEY: upstreamKey,
        OPENAI_BASE_URL: upstreamUrl(place),
        LOG_LEVEL: 'error',
        RATE_LIMIT_RPS: '0',
      },
      readyPath: '/health',
    }
  },
}
