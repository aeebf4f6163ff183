import { isIP } from 'node:net'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { isPrivateAddress, listAddresses, networkOf, readAddress } from '../../net.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** Stands for the client's address in the audit log, and does not reveal it. An IPv6 network has one tag. */
    addressTag (): string
  }
}

/** Whether an address, as a socket or a header names it, is one of our own proxies. */
export type IsTrusted = (address: string | undefined) => boolean

/** `networks`: addresses, or networks like `10.0.0.0/8`. */
export function trustProxies (networks: readonly string[]): IsTrusted {
  const list = listAddresses(networks.map(network => {
    const [address = '', bits] = network.split('/')
    return [address, bits === undefined ? isIP(address) === 6 ? 128 : 32 : Number(bits)]
  }))
  return text => {
    const address = readAddress(text ?? '')
    if (address === null) return false
    if (isIP(address) === 6) return list.check(address, 'ipv6')
    // A network may be written in IPv4-mapped form.
    return list.check(address, 'ipv4') || list.check(`::ffff:${address}`, 'ipv6')
  }
}

/**
 * The address of the client: of the peer, or the one that trusted proxies forward, without a port. A text that is not
 * an address counts as the peer that sent it.
 */
export function clientAddress ({ ip, socket: { remoteAddress = '' } }: FastifyRequest): string {
  const [peer = ''] = remoteAddress.split('%', 1)
  return readAddress(ip) ?? readAddress(peer) ?? ''
}

/** `tagOf`: a keyed hash. */
export function tagAddresses (server: FastifyInstance, tagOf: (network: string) => string): void {
  server.decorateRequest('addressTag', function (this: FastifyRequest) {
    return tagOf(networkOf(clientAddress(this)))
  })
}

/** Warns once when requests seem to come through a proxy that is not declared: limits would count it as one client. */
export function warnOfUndeclaredProxy (server: FastifyInstance): void {
  let hasWarned = false
  server.addHook('onRequest', ({ headers, socket: { remoteAddress = '' }, log }, _reply, done) => {
    if (!hasWarned && headers['x-forwarded-for'] !== undefined && isPrivateAddress(remoteAddress)) {
      hasWarned = true
      log.warn('X-Forwarded-For from a private address is ignored: set TRUSTED_PROXIES if it is your proxy')
    }
    done()
  })
}
