import { EventEmitter } from 'node:events'
import { BlockList, isIP, isIPv6 } from 'node:net'
import { Address6 } from 'ip-address'

/**
 * Runs the work for at most `deadlineMs`, then throws what `late` returns and emits `abort` on the signal. undici
 * accepts an EventEmitter where it accepts an AbortSignal, at a tenth of the cost. undici ignores the signal until it
 * has a connection, so the deadline is raced as well.
 */
export async function withDeadline<T> (
  deadlineMs: number, late: () => Error, work: (signal: EventEmitter) => Promise<T>,
): Promise<T> {
  const signal = new EventEmitter()
  let timer: NodeJS.Timeout | undefined
  const deadline = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      reject(late())
      signal.emit('abort')
    }, deadlineMs)
  })
  try {
    return await Promise.race([work(signal), deadline])
  } finally {
    clearTimeout(timer)
  }
}

/** Waits for the work to settle, at most `timeoutMs`; its result and its errors are ignored. */
export async function waitAtMost (timeoutMs: number, work: Promise<unknown>): Promise<void> {
  await withDeadline(timeoutMs, () => new Error('timeout'), () => work).catch(() => {})
}

/** A list of networks. `BlockList` recognises IPv4-mapped forms of IPv4 networks. */
export function listAddresses (subnets: [address: string, prefix: number][]): BlockList {
  const list = new BlockList()
  for (const [address, prefix] of subnets) list.addSubnet(address, prefix, address.includes(':') ? 'ipv6' : 'ipv4')
  return list
}

const loopbackOrPrivate = listAddresses([
  ['127.0.0.0', 8], ['10.0.0.0', 8], ['172.16.0.0', 12], ['192.168.0.0', 16], ['::1', 128], ['fc00::', 7],
])

/** Whether an address is loopback or private (RFC 1918, RFC 4193). False for a text that is not an address. */
export function isPrivateAddress (address: string): boolean {
  const version = isIP(address)
  return version !== 0 && loopbackOrPrivate.check(address, version === 6 ? 'ipv6' : 'ipv4')
}

/**
 * The IP address in a text that may also have a port (`203.0.113.7:443`, `[2001:db8::1]:443`), in its canonical form.
 * An IPv4 address that is written as IPv6 is the IPv4 address. Null: not an address.
 */
export function readAddress (text: string): string | null {
  const [, v6, v4] = /^\[([^\]]*)\](?::\d{1,5})?$|^([\d.]+):\d{1,5}$/.exec(text) ?? []
  if (v6 !== undefined && !isIPv6(v6)) return null
  const address = v6 ?? v4 ?? text
  // A zone (`fe80::1%eth0`) is free text.
  if (isIP(address) === 0 || address.includes('%')) return null
  return isIPv6(address) ? canonicalV6(new Address6(address)) : address
}

/** The IPv4 address of an IPv4-mapped address, and of one that a NAT64 has translated (RFC 6052). */
function canonicalV6 (address: Address6): string {
  return (address.isMapped4() ? address.to4() : address.toAddress4Nat64() ?? address).correctForm()
}

/** Whether a URL is http or https to this machine, on any port. */
export const isLoopbackUrl = (url: URL | null): boolean => url !== null && /^https?:$/.test(url.protocol)
  && /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(url.hostname)

/** Whether a URL's host is `localhost` or a loopback or private address. Other names are not resolved. */
export const isPrivateHost = (hostname: string): boolean =>
  /^([^.]+\.)*localhost$/.test(hostname) || isPrivateAddress(hostname.replace(/^\[(.*)\]$/, '$1'))

/** The part of an address that identifies one internet customer. A customer with IPv6 has 2^64 addresses. */
export function networkOf (ip: string): string {
  const address = readAddress(ip) ?? ip
  return isIPv6(address) ? new Address6(`${address}/64`).startAddress().correctForm() : address
}

const maxRetryAfterMs = 24 * 3600 * 1000

/**
 * The delay of a `Retry-After` header (seconds or an HTTP date, RFC 9110 section 10.2.3) in ms, at most a day. Null:
 * absent or invalid.
 */
export function readRetryAfter (value: string | string[] | undefined, nowMs: number): number | null {
  if (typeof value !== 'string') return null
  const afterMs = /^\d+$/.test(value) ? Number(value) * 1000 : value.endsWith('GMT') ? Date.parse(value) - nowMs : NaN
  return Number.isNaN(afterMs) ? null : Math.min(Math.max(0, afterMs), maxRetryAfterMs)
}
