import { Type } from 'typebox'

/** The address of a device: `phone_ip`, or the path of a coverage request. */
export const IpAddress = Type.Union([Type.String({ format: 'ipv4' }), Type.String({ format: 'ipv6' })])

export type Network = 'mobile' | 'wifi' | 'unsupported'

/**
 * The network of an address. Its last part chooses it, in the digits of the number table: `…91` is an operator that
 * does not take part, `…81` is not mobile, and every other address is.
 */
export function networkOfAddress (ip: string): Network {
  const [, last] = /[.:](\w+)$/.exec(ip) ?? []
  if (last === '91') return 'unsupported'
  return last === '81' ? 'wifi' : 'mobile'
}
