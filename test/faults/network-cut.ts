import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'

type Teardown = { teardown (run: () => unknown): void }

/** What a wire is for commands, for whatever goes over TCP: replication is no dialogue of commands and replies. */
export type NetworkLink = {
  port: number
  /** Swallows all that is sent, both ways, also on new connections, which look open. */
  blackhole (): void
  /** New connections are good again; those that were swallowed are reset. */
  heal (): void
}

/** Starts a cable to a server on loopback; it ends with the test. */
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
