/**
 * LiteLLM's proxy. One worker of Uvicorn, as its documentation recommends for each container (docs.litellm.ai, Server Tuning, 2026-10).
 * On: access by its master key, router, spend per call in memory. Off: database and Redis (they are optional), price list from the web (it
 * brings its own), log lines below errors. 1.107.0 is the release that was tampered with: never install it.
 */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { clientKey } from '../subjects.ts'
import { pip } from './install.ts'
import { type Peer, upstreamKey, upstreamUrl } from './peer.ts'

const version = '1.106.2'

export const litellm: Peer = {
  name: 'LiteLLM',
  version,
  install: pip(`litellm[proxy]==${version}`),
  async launch(place) {
    const config = {
      model_list: [
        {
          model_name: 'gpt-4o-mini',
          litellm_params: { model: 'openai/gpt-4o-mini', api_base: upstreamUrl(place), api_key: upstreamKey },
        },
      ],
      general_settings: { master_key: clientKey },
      litellm_settings: { request_timeout: 600, set_verbose: false },
    }
    const file = join(place.scratch, 'config.yaml')
    // YAML has JSON as a part.
    await writeFile(file, JSON.stringify(config))
    const address = ['--host', '127.0.0.1', '--port', String(place.port)]
    return {
      command: [join(place.home, 'venv/bin/litellm'), ...address, '--config', file, '--num_workers', '1'],
      environment: { LITELLM_MODE: 'PRODUCTION', LITELLM_LOG: 'ERROR', LITELLM_LOCAL_MODEL_COST_MAP: 'True' },
      readyPath: '/health/liveliness',
    }
  },
}
