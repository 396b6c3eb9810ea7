/** What the little proxies of the tests have in common: a listener that counts its connections and can cut them all. */
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { createServer as createTlsServer, type TLSSocket } from 'node:tls'

export interface Relay extends AsyncDisposable {
  readonly port: number
  /** What was asked for, in order; what it means is the proxy's business. */
  readonly asked: string[]
  /** Connections taken so far. */
  connections(): number
  open(): number
  /** Breaks off everything that passes. */
  cut(): void
}

const fixtures = join(import.meta.dir, '../fixtures/tls')
export const certificateFile = join(fixtures, 'certificate.pem')

export async function startRelay(
  serve: (client: Socket, asked: string[]) => void,
  options: { readonly isTls?: boolean } = {},
): Promise<Relay> {
  const asked: string[] = []
  const clients = new Set<Socket>()
  let connections = 0
  const accept = (client: Socket | TLSSocket) => {
    connections++
    clients.add(client)
    client.on('error', () => client.destroy())
    client.once('close', () => clients.delete(client))
    serve(client, asked)
  }
  const server =
    options.isTls === true
      ? createTlsServer(
          {
            key: await Bun.file(join(fixtures, 'key.pem')).text(),
            cert: await Bun.file(certificateFile).text(),
          },
          accept,
        )
      : createServer(accept)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()))
  const cut = () => {
    for (const client of clients) client.destroy()
  }
  return {
    port: (server.address() as AddressInfo).port,
    asked,
    connections: () => connections,
    open: () => clients.size,
    cut,
    async [Symbol.asyncDispose]() {
      server.close()
      cut()
    },
  }
}

/** Every name is this machine. */
export function joinUpstream(client: Socket, port: number, hooks: { opened: () => void; failed: () => void }): Socket {
  let isOpen = false
  const remote = connect({ port, host: '127.0.0.1' }, () => {
    isOpen = true
    client.pipe(remote)
    remote.pipe(client)
    hooks.opened()
  })
  remote.on('error', () => (isOpen ? client.destroy() : hooks.failed()))
  remote.once('close', () => client.end())
  client.once('close', () => remote.destroy())
  return remote
}

/** TLS in front of an upstream that has none. */
export function startTlsFront(port: number): Promise<Relay> {
  return startRelay((client) => joinUpstream(client, port, { opened: () => {}, failed: () => client.destroy() }), {
    isTls: true,
  })
}
