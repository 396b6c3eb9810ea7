/**
 * Ultrafast Gateway (Rust, from crates.io). Off, since it is faster without and all can be turned off by its settings: access control, answer cache,
 * metrics, CORS; log lines below errors. The cache has to be off: it would answer for the upstream.
 */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { cargo } from './install.ts'
import { type Peer, type Place, upstreamKey, upstreamUrl } from './peer.ts'

const version = '0.1.6'

export const ultrafast: Peer = {
  name: 'Ultrafast Gateway',
  version,
  install: cargo('ultrafast-gateway', version),
  async launch(place) {
    const file = join(place.scratch, 'config.toml')
    await writeFile(file, config(place))
    const address = ['--host', '127.0.0.1', '--port', String(place.port)]
    return {
      command: [join(place.home, 'bin/ultrafast-gateway'), '--config', file, ...address, '--log-level', 'error'],
      environment: { GATEWAY_PORT: String(place.port) },
      readyPath: '/health',
    }
  },
}

function config(place: Place): string {
  return `
plugins = []
[server]
host = "127.0.0.1"
port = ${place.port}
timeout = "300s"
max_body_size = 10485760
[server.cors]
enabled = false
allowed_origins = []
allowed_methods = []
allowed_headers = []
[providers.openai]
name = "openai"
api_key = "${upstreamKey}"
base_url = "${upstreamUrl(place)}"
timeout = "300s"
max_retries = 0
retry_delay = "1s"
enabled = true
[providers.openai.model_mapping]
[providers.openai.headers]
[routing]
strategy = "Single"
health_check_interval = "30s"
failover_threshold = 0.8
[auth]
enabled = false
api_keys = []
[auth.rate_limiting]
requests_per_minute = 4000000000
requests_per_hour = 4000000000
tokens_per_minute = 4000000000
[cache]
enabled = false
backend = "Memory"
ttl = "60s"
max_size = 10
[logging]
level = "error"
format = "Compact"
output = "Stdout"
[metrics]
enabled = false
max_requests = 1000
retention_duration = "60s"
cleanup_interval = "60s"
`
}
