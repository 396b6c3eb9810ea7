/**
 * llmshim (Rust): its proxy, from the binary in PyPI, with the mock as a server of vLLM, its kind of OpenAI-compatible upstream. It has no access control.
 * It keeps what it needs for replays in files, which cannot be turned off; two threads do that for all calls, and when too many wait for them some are refused
 * with 503 ("native replay metadata is busy; retry the request").
 */
import { join } from 'node:path'
import { pip } from './install.ts'
import { type Peer, upstreamKey, upstreamUrl } from './peer.ts'

const version = '0.29.0'

export const llmshim: Peer = {
  name: 'llmshim',
  version,
  install: pip(`llmshim==${version}`),
  async launch(place) {
    return {
      command: [join(place.home, 'venv/bin/llmshim'), 'proxy', '--host', '127.0.0.1', '--port', String(place.port)],
      environment: { HOME: place.scratch, VLLM_BASE_URL: upstreamUrl(place), VLLM_API_KEY: upstreamKey },
      readyPath: '/health',
      model: 'vllm/gpt-4o-mini',
    }
  },
}
