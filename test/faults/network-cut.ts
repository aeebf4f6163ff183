import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'

type Teardown = { teardown (run: () => unknown): void }

/** A TCP proxy that can cut the network. It reads no commands, so it serves replication, too; see `wire.ts`. */
export type NetworkLink = {
  port: number
  /** Drops all data in both directions, while connections, also new ones, look open. */
  blackhole (): void
  /** New connections work again; those that were cut are reset. */
  heal (): void
}

/** Starts a proxy to a server on loopback; it ends with the test. */
export async function startNetworkLink (t: Teardown, target: number): Promise<NetworkLink> {
  const sockets = new Set<Socket>()
  let isBlack = false
  const reset = (): void => { for (
    const socket of sockets
  ) socket.writableEnded ? socket.destroy() : socket.resetAndDestroy() }
  const server = createServer(near => {
    const far = connect(target, '127.0.0.1')
    for (const [from, to] of [[near, far], [far, near]] as const) {
      sockets.add(from.setNoDelay(true))
      from.on('error', () => {}).on('data', chunk => { if (!isBlack) to.write(chunk) }).on('close', () => {
        sockets.delete(from)
        if (!isBlack) to.destroy()
      })
    }
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  t.teardown(() => {
    server.close()
    reset()
  })
  return {
    port: address.port,
    blackhole: () => { isBlack = true },
    heal () {
      reset()
      isBlack = false
    },
  }
}
