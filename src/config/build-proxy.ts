/** Checks the proxy of a provider, and which addresses are reached without it. */
import type { ProxyConfig } from '../domain.ts'
import { isBypassEntry } from '../providers/bypass.ts'
import type { BuildContext } from './build-config.ts'
import type { ProviderSettings } from './schema.ts'

export function buildProxy(
  pointer: string,
  { proxy, no_proxy, http2 }: ProviderSettings,
  context: BuildContext,
): ProxyConfig | null {
  const { refuse } = context
  for (const [index, entry] of (no_proxy ?? []).entries()) {
    if (!isBypassEntry(entry)) refuse(`${pointer}/no_proxy/${index}`, allowedEntries)
  }
  if (proxy === undefined) {
    if (no_proxy !== undefined && !context.isRefused(`${pointer}/proxy`))
      refuse(`${pointer}/no_proxy`, 'means nothing without proxy')
    return null
  }
  const text = proxy.trim()
  const fault = faultOf(text)
  if (fault !== null) {
    refuse(`${pointer}/proxy`, fault)
    return null
  }
  if (http2) refuse(`${pointer}/http2`, 'is not possible through a proxy; leave one of them out')
  return { url: text, bypass: no_proxy ?? context.noProxy }
}

const allowedEntries =
  'must be a host such as example.com (with all below it), host:port, an address, a block such as 10.0.0.0/8, or "*"'
const allowedProxies = 'must be an address that begins with http://, https://, socks5:// or socks5h://'
/** RFC 1929, section 2: a length is one byte. */
const maxLoginBytes = 255

/** Null: there is none. Never repeats what was written: there may be a password in it. */
function faultOf(text: string): string | null {
  if (!/^(?:https?|socks5h?):\/\/./i.test(text)) return allowedProxies
  if (!URL.canParse(text))
    return `${allowedProxies}; "@", ":", "/" and "%" in a user name or password are written as %40, %3A, %2F and %25`
  const url = new URL(text)
  if (url.hostname === '') return 'has no host'
  if (!/^\/?$/.test(url.pathname) || url.search !== '' || url.hash !== '')
    return 'must end after host and port; "/", "?" and "#" in a user name or password are written as %2F, %3F and %23'
  const login = [decoded(url.username), decoded(url.password)]
  if (login.includes(null))
    return 'has a "%" in its user name or password that begins no valid character; "%" itself is written as %25'
  if (url.username === '' && url.password !== '') return 'has a password, but no user name'
  const isLong = login.some((part) => Buffer.byteLength(part ?? '') > maxLoginBytes)
  return isLong && url.protocol.startsWith('socks')
    ? `must have at most ${maxLoginBytes} bytes of user name and of password`
    : null
}

function decoded(text: string): string | null {
  try {
    return decodeURIComponent(text)
  } catch {
    return null
  }
}
