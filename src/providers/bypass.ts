/** Which addresses are reached without the proxy: the entries that `NO_PROXY` has in common with curl, Go and the runtime. */
import { BlockList, isIP } from 'node:net'

/** Entries that are not valid match nothing. */
export function createBypass(entries: readonly string[]): (url: URL) => boolean {
  const matches = entries.map(readEntry).filter((match) => match !== null)
  return (url) => matches.some((match) => match(url))
}

export function isBypassEntry(entry: string): boolean {
  return readEntry(entry) !== null
}

type Match = (url: URL) => boolean

function readEntry(entry: string): Match | null {
  const text = entry.trim().toLowerCase()
  if (text === '*') return () => true
  if (text.includes('/')) return readBlock(text)
  const address = bare(text)
  if (isIP(address) > 0) return matchAddress(address, null)
  const [, host = '', port = null] = /^(\[[0-9a-f:.]+\]|[^\s:[\]/]+?)(?::(\d{1,5}))?$/.exec(text) ?? []
  if (isIP(bare(host)) > 0) return matchAddress(bare(host), port)
  const name = host.replace(/^\*?\./, '').replace(/\.$/, '')
  if (!/^[^\s*.]+(?:\.[^\s*.]+)*$/.test(name)) return null
  return (url) => {
    const asked = url.hostname.replace(/\.$/, '')
    return (asked === name || asked.endsWith(`.${name}`)) && isPort(url, port)
  }
}

/** Addresses of a block, such as 10.0.0.0/8 or fd00::/8. */
function readBlock(text: string): Match | null {
  const [, network = '', bits = ''] = /^([^/]+)\/(\d{1,3})$/.exec(text) ?? []
  const version = isIP(network)
  if (version === 0 || Number(bits) > (version === 4 ? 32 : 128)) return null
  const block = new BlockList()
  block.addSubnet(network, Number(bits), version === 4 ? 'ipv4' : 'ipv6')
  return ({ hostname }) => {
    const asked = bare(hostname)
    return isIP(asked) === version && block.check(asked, version === 4 ? 'ipv4' : 'ipv6')
  }
}

function matchAddress(address: string, port: string | null): Match {
  // The same spelling as in the address that is asked for.
  const { hostname } = new URL(isIP(address) === 6 ? `http://[${address}]` : `http://${address}`)
  return (url) => url.hostname === hostname && isPort(url, port)
}

function isPort(url: URL, port: string | null): boolean {
  return port === null || Number(url.port || (url.protocol === 'https:' ? 443 : 80)) === Number(port)
}

function bare(host: string): string {
  return host.replace(/^\[(.*)\]$/, '$1')
}
