/**
 * Portkey's gateway on Node. It has no configuration and no access control: who calls it says in headers where the call goes. `--headless`
 * leaves its console out. Its dependency on @hono/node-server is held back: with newer ones its streams fail.
 */
import { join } from 'node:path'
import { npm } from './install.ts'
import { type Peer, upstreamUrl } from './peer.ts'

const version = '1.15.2'

export const portkey: Peer = {
  name: 'Portkey',
  version,
  install: npm({
    dependencies: { '@portkey-ai/gateway': version },
    overrides: { '@hono/node-server': '1.13.8' },
  }),
  async launch(place) {
    const script = join(place.home, 'node_modules/@portkey-ai/gateway/build/start-server.js')
    return {
      command: ['node', script, `--port=${place.port}`, '--headless'],
      environment: { NODE_ENV: 'production' },
      readyPath: '/',
      headers: { 'x-portkey-provider': 'openai', 'x-portkey-custom-host': upstreamUrl(place) },
    }
  },
}
