/**
 * litellm-rs, a gateway in Rust (crates.io) that took LiteLLM's name and not its code. One worker.
 * On: router, retries. Off, each by its setting: access control, guardrails (on by default), metrics, answer cache, limits, database, Redis; log lines
 * below errors. `private_network` lets it call the loopback.
 */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { cargo } from './install.ts'
import { type Peer, upstreamKey, upstreamUrl } from './peer.ts'

const version = '0.9.0'
const features = ['--bin', 'gateway', '--no-default-features', '--features', 'sqlite,tracing']
const unlimited = 4_000_000_000

export const litellmRs: Peer = {
  name: 'litellm-rs',
  version,
  install: cargo('litellm-rs', version, ...features),
  async launch(place) {
    const { port } = place
    const config = {
      schema_version: '1.0',
      server: { host: '127.0.0.1', port, workers: 1, max_connections: 20_000, cors: { enabled: false } },
      providers: [
        {
          name: 'mock',
          provider_type: 'openai_compatible',
          endpoint_access: 'private_network',
          api_key: upstreamKey,
          base_url: upstreamUrl(place),
          models: ['gpt-4o-mini'],
          rpm: unlimited,
          tpm: unlimited,
          max_concurrent_requests: 20_000,
        },
      ],
      router: { strategy: 'round_robin', load_balancer: { health_check_enabled: false } },
      storage: {
        database: { url: 'postgresql://localhost/none', enabled: false },
        redis: { url: 'redis://localhost:6379', enabled: false },
      },
      auth: { enable_jwt: false, enable_api_key: false, allow_anonymous: true, jwt_secret: '' },
      monitoring: {
        metrics: { enabled: false, port: place.otherPort, path: '/metrics', interval_seconds: 15 },
        tracing: { enabled: false, service_name: 'bench', sampling_rate: 0.1 },
        health: { path: '/health', detailed: false },
      },
      cache: { enabled: false },
      rate_limit: { enabled: false },
      guardrails: { enabled: false },
      pricing: { source: 'embedded://model_prices_extended' },
    }
    const file = join(place.scratch, 'gateway.yaml')
    await writeFile(file, JSON.stringify(config))
    return {
      command: [join(place.home, 'bin/gateway'), '--config', file, '--log-level', 'error'],
      readyPath: '/health',
    }
  },
}
