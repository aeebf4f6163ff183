import { BlockList, isIP, isIPv6 } from 'node:net'
import { Address6 } from 'ip-address'

/** A list of networks. IPv4-mapped forms of IPv4 networks are known to `BlockList`. */
export function listAddresses (subnets: [address: string, prefix: number][]): BlockList {
  const list = new BlockList()
  for (const [address, prefix] of subnets) list.addSubnet(address, prefix, isIP(address) === 6 ? 'ipv6' : 'ipv4')
  return list
}

const loopbackOrPrivate = listAddresses([
  ['127.0.0.0', 8], ['10.0.0.0', 8], ['172.16.0.0', 12], ['192.168.0.0', 16], ['::1', 128], ['fc00::', 7],
])

/** Loopback, or of a network that the internet does not reach (RFC 1918, RFC 4193). False for what is no address. */
export function isPrivateAddress (address: string): boolean {
  const version = isIP(address)
  return version !== 0 && loopbackOrPrivate.check(address, version === 6 ? 'ipv6' : 'ipv4')
}

/** What of an address tells one customer of the internet from another: whoever has an IPv6 address has 2^64 of them. */
export function networkOf (ip: string): string {
  if (!isIPv6(ip)) return ip
  const address = new Address6(ip)
  return address.isMapped4() ? address.to4().correctForm() : new Address6(`${ip}/64`).startAddress().correctForm()
}
