/**
 * Lets the HTTP client use tunnels of our own: a socket in a directory that nobody else may enter, for each origin, and each connection to it is
 * joined to a tunnel through the proxy. TLS, pooling, streaming and aborts stay with the client; what passes is not looked at.
 * Why not the runtime's own proxy support: it has no SOCKS (https://github.com/oven-sh/bun/issues/16812), and through CONNECT it reads on
 * without a bound when nobody takes the answer (seen with Bun 1.4.5: 2 GB in 3 s); over a Unix socket it waits.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join as joinPath } from 'node:path'
import { bareHost, openTunnel, type ProxyAddress, type TunnelTarget } from './open-tunnel.ts'
import { TunnelError } from './tunnel-error.ts'

export interface TunnelBridge {
  /** Path of the socket that leads to the origin of this URL. Rejects when there can be none. */
  open(url: URL): Promise<string>
  /** This socket is gone, whoever has removed it: the next opening makes another. */
  forget(path: string): void
  /** Why a connection to that socket just ended before its tunnel stood; null: none did. Each is told once. */
  takeFailure(url: URL): string | null
  /** Takes the sockets away; what is connected goes on. A call that began before may open one again, until the last connection ends. */
  close(): void
}

export interface BridgeLimits {
  /** For the whole opening of a tunnel. */
  readonly openMs: number
  readonly maxConnections: number
}

const defaultLimits: BridgeLimits = { openMs: 15_000, maxConnections: 20_000 }
/** Of what is sent before the tunnel stands. */
const maxWaitingBytes = 256 * 1024
/** Connections that wait to be accepted; the system may allow fewer. */
const backlog = 4096
const retireMs = 1000
const probeAfterMs = 60_000
/** A failure that nobody has asked for by then belongs to a call that has ended. */
const failureAgeMs = 1000
const maxFailures = 1000

interface Door {
  readonly server: Server
  readonly path: Promise<string>
}

interface Failure {
  readonly code: string
  readonly at: number
}

export function createTunnelBridge(proxy: ProxyAddress, limits: BridgeLimits = defaultLimits): TunnelBridge {
  const connections = new Set<Socket>()
  // By origin: as many as the settings name.
  const doors = new Map<string, Door>()
  const failures = new Map<string, Failure[]>()
  let directory: string | null = null
  let isClosed = false

  function openDoor(url: URL): Door {
    directory ??= mkdtempSync(joinPath(tmpdir(), 'any2api-'))
    const path = joinPath(directory, `${doors.size}.sock`)
    const failed = failures.get(url.origin) ?? []
    failures.set(url.origin, failed)
    const port = Number(url.port || (url.protocol === 'https:' ? 443 : 80))
    const target = { host: bareHost(url.hostname), port }
    const server = createServer((client) => {
      accept(client, target).catch((cause: unknown) => {
        // Its client left: nobody will ask.
        if (client.destroyed) return
        if (failed.length >= maxFailures) failed.shift()
        failed.push({ code: cause instanceof TunnelError ? cause.code : 'proxy_unreachable', at: performance.now() })
        client.destroy()
      })
    })
    const opened = new Promise<string>((resolve, reject) => {
      server.once('error', reject)
      server.listen({ path, backlog }, () => resolve(path))
    })
    opened.catch(() => doors.delete(url.origin))
    server.unref()
    return { server, path: opened }
  }

  async function accept(client: Socket, target: TunnelTarget): Promise<void> {
    const isFull = connections.size >= limits.maxConnections
    connections.add(client)
    client.unref()
    client.on('error', () => client.destroy())
    client.once('close', () => {
      connections.delete(client)
      if (isClosed && connections.size === 0) retire()
    })
    if (isFull) throw new TunnelError('proxy_cannot_connect')
    const controller = new AbortController()
    const leave = () => controller.abort(new TunnelError('proxy_unreachable'))
    const timer = setTimeout(() => controller.abort(new TunnelError('proxy_timeout')), limits.openMs)
    client.once('close', leave)
    const endWaiting = collectWaiting(client)
    try {
      const remote = await openTunnel(proxy, target, controller.signal)
      if (client.destroyed) remote.destroy()
      else join(client, remote, endWaiting())
    } finally {
      clearTimeout(timer)
      client.off('close', leave)
    }
  }

  function retire(): void {
    const servers = [...doors.values()].map(({ server }) => server)
    doors.clear()
    if (directory !== null) rmSync(directory, { recursive: true, force: true })
    directory = null
    // Whoever has connected already is still to be let in.
    setTimeout(() => {
      for (const server of servers) server.close()
    }, retireMs).unref()
  }

  return {
    async open(url) {
      const door = doors.get(url.origin) ?? openDoor(url)
      doors.set(url.origin, door)
      return door.path
    },
    forget(path) {
      if (directory !== null && path.startsWith(directory)) retire()
    },
    takeFailure(url) {
      const failed = failures.get(url.origin) ?? []
      const eldest = performance.now() - failureAgeMs
      for (let failure = failed.shift(); failure !== undefined; failure = failed.shift())
        if (failure.at >= eldest) return failure.code
      return null
    },
    close() {
      isClosed = true
      retire()
    },
  }
}

/** Reads on while the tunnel is opened: otherwise nobody would notice that the client has left. */
function collectWaiting(client: Socket): () => Buffer {
  let waiting: Buffer = Buffer.alloc(0)
  const take = (bytes: Buffer) => {
    waiting = waiting.length === 0 ? bytes : Buffer.concat([waiting, bytes])
    if (waiting.length > maxWaitingBytes) client.pause()
  }
  client.on('data', take)
  return () => {
    client.off('data', take)
    client.pause()
    return waiting
  }
}

function join(client: Socket, remote: Socket, first: Buffer): void {
  remote.unref()
  remote.setKeepAlive(true, probeAfterMs)
  remote.on('error', () => client.destroy())
  remote.once('close', (isBroken) => (isBroken ? client.destroy() : client.end()))
  client.once('close', () => remote.destroy())
  if (first.length > 0) remote.write(first)
  // Each waits for the other to take what it was given.
  client.pipe(remote)
  remote.pipe(client)
}
