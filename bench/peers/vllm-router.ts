/**
 * vLLM's router (Rust, called from Python): a load balancer for workers that speak OpenAI's API, with health checks, retries and circuit breakers.
 * On: those, metrics. Off: access control, as by default. `round_robin` is the cheapest policy for one worker; its default compares prompts.
 */
import { join } from 'node:path'
import { pip } from './install.ts'
import type { Peer } from './peer.ts'

const version = '0.1.17'

export const vllmRouter: Peer = {
  name: 'vLLM Router',
  version,
  install: pip(`vllm-router==${version}`),
  async launch(place) {
    const worker = ['--worker-urls', `http://127.0.0.1:${place.upstreamPort}`, '--policy', 'round_robin']
    const address = ['--host', '127.0.0.1', '--port', String(place.port), '--prometheus-host', '127.0.0.1']
    const metrics = ['--prometheus-port', String(place.otherPort), '--log-level', 'error']
    return {
      command: [join(place.home, 'venv/bin/vllm-router'), ...worker, ...address, ...metrics],
      readyPath: '/health',
    }
  },
}
