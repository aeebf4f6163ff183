import type { Server } from 'node:http'
import type { Socket } from 'node:net'
import { isPrivateAddress, networkOf } from '../../net.ts'
import type { IsTrusted } from './client-address.ts'

/** A private address may be a proxy that is not declared. */
const privateFactor = 10

type Connection = { network: string, max: number, requests: number }

/**
 * Bounds the connections of one address that carry no request: beyond `maxPerAddress` the one that has been idle
 * longest is closed, which clients must expect of every idle connection. A private address may have ten times as many,
 * a trusted proxy any number.
 */
export function boundIdleConnections (server: Server, maxPerAddress: number, isTrusted: IsTrusted): void {
  const connections = new WeakMap<Socket, Connection>()
  // A set keeps the order of insertion, so the first one has been idle longest.
  const idle = new Map<string, Set<Socket>>()

  function add (socket: Socket, { network, max }: Connection): void {
    const sockets = idle.get(network) ?? new Set()
    idle.set(network, sockets.add(socket))
    const [oldest] = sockets
    if (sockets.size > max && oldest !== undefined) {
      sockets.delete(oldest)
      // Not before the next iteration of the event loop has read what was sent meanwhile: it may be a request.
      setImmediate(setImmediate, () => {
        const isUsed = sockets.has(oldest) || (connections.get(oldest)?.requests ?? 0) > 0
        if (!isUsed) oldest.destroy()
      })
    }
  }

  function remove (socket: Socket, { network }: Connection): void {
    const sockets = idle.get(network)
    sockets?.delete(socket)
    if (sockets?.size === 0) idle.delete(network)
  }

  server.on('connection', socket => {
    const { remoteAddress = '' } = socket
    if (isTrusted(remoteAddress)) return
    const max = isPrivateAddress(remoteAddress) ? maxPerAddress * privateFactor : maxPerAddress
    const connection = { network: networkOf(remoteAddress), max, requests: 0 }
    connections.set(socket, connection)
    add(socket, connection)
    socket.once('close', () => remove(socket, connection))
  })
  // First, so that the connection counts as busy before the request is served.
  server.prependListener('request', ({ socket }, response) => {
    const connection = connections.get(socket)
    if (connection === undefined) return
    connection.requests += 1
    remove(socket, connection)
    response.once('close', () => {
      connection.requests -= 1
      if (connection.requests === 0 && !socket.destroyed) add(socket, connection)
    })
  })
}
