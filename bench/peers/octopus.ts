/**
 * Octopus (Go). It has not been had here: on 2026-11-21 Go's module proxy answered "403 Forbidden: This module version is not available", and it is in no other
 * registry. It takes channels and keys through its web pages only, so a start is still to be written where it can be installed. The same
 * answer came for GoModel, gpt-load, new-api, one-api, AxonHub, AI Proxy (labring), Olla, Glide and Envoy AI Gateway.
 */
import { go } from './install.ts'
import type { Peer } from './peer.ts'

const version = 'v0.11.0'

export const octopus: Peer = {
  name: 'Octopus',
  version,
  install: go('github.com/bestruirui/octopus', version),
  launch: () => Promise.reject(new Error('it installs, but how it is configured has not been written yet')),
}
