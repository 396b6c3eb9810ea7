/**
 * Shepherd Model Gateway (`smg`, Rust, called from Python), what became of SGLang's router; here in its mode for OpenAI-compatible services.
 * On: health checks, retries, circuit breakers, metrics. Off: access control and histories of responses, log lines below errors.
 */
import { join } from 'node:path'
import { pip } from './install.ts'
import type { Peer } from './peer.ts'

const version = '1.13.0'

export const shepherd: Peer = {
  name: 'Shepherd',
  version,
  install: pip(`smg==${version}`),
  async launch(place) {
    const worker = ['--backend', 'openai', '--worker-urls', `http://127.0.0.1:${place.upstreamPort}`]
    const address = ['--host', '127.0.0.1', '--port', String(place.port), '--prometheus-host', '127.0.0.1']
    const quiet = ['--prometheus-port', String(place.otherPort), '--log-level', 'error', '--history-backend', 'none']
    return {
      command: [join(place.home, 'venv/bin/smg'), 'launch', ...worker, ...address, ...quiet],
      readyPath: '/readiness',
    }
  },
}
