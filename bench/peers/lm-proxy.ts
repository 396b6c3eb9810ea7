/** LM-Proxy (Python, Uvicorn with one worker). On: access by key. Off: its loggers, which are off by default. It tells no usage. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { clientKey } from '../subjects.ts'
import { pip } from './install.ts'
import { type Peer, upstreamKey, upstreamUrl } from './peer.ts'

const version = '3.3.2'

export const lmProxy: Peer = {
  name: 'LM-Proxy',
  version,
  install: pip(`lm-proxy==${version}`),
  async launch(place) {
    const config = {
      host: '127.0.0.1',
      port: place.port,
      connections: { mock: { api_type: 'open_ai', api_base: `${upstreamUrl(place)}/`, api_key: upstreamKey } },
      routing: { '*': 'mock.*' },
      groups: { default: { api_keys: [clientKey] } },
    }
    const file = join(place.scratch, 'config.json')
    await writeFile(file, JSON.stringify(config))
    return {
      command: [join(place.home, 'venv/bin/lm-proxy'), '--config', file, '--env', ''],
      readyPath: '/v1/models',
    }
  },
}
