/**
 * Bifrost (Go). Written by its documentation (docs.getbifrost.ai, Performance Tuning and Setting Up, 2026-11) and not yet run: on 2026-11-21 Go's module proxy
 * answered "403 Forbidden: This module version is not available", and its package in npm only downloads a binary from its makers' own server.
 * Of the documentation: no configuration store, no log store, logging of calls off, concurrency and queues of its table for 5,000 requests per second.
 */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { go } from './install.ts'
import { type Peer, upstreamKey } from './peer.ts'

const version = 'v1.6.4'

export const bifrost: Peer = {
  name: 'Bifrost',
  version,
  install: go('github.com/maximhq/bifrost/transports/bifrost-http', version),
  async launch(place) {
    const config = {
      client: { enable_logging: false, initial_pool_size: 7_500, drop_excess_requests: false },
      providers: {
        openai: {
          keys: [{ name: 'mock', value: upstreamKey, models: ['gpt-4o-mini'], weight: 1 }],
          network_config: { base_url: `http://127.0.0.1:${place.upstreamPort}` },
          concurrency_and_buffer_size: { concurrency: 5_000, buffer_size: 7_500 },
        },
      },
      config_store: { enabled: false },
      logs_store: { enabled: false },
    }
    await writeFile(join(place.scratch, 'config.json'), JSON.stringify(config))
    const address = ['-host', '127.0.0.1', '-port', String(place.port)]
    return {
      command: [join(place.home, 'bin/bifrost-http'), '-app-dir', place.scratch, ...address, '-log-level', 'error'],
      readyPath: '/health',
      model: 'openai/gpt-4o-mini',
    }
  },
}
