import { BlockList, isIP, isIPv6 } from 'node:net'
import { Address6 } from 'ip-address'
import { errors, type Dispatcher } from 'undici'

type Deadline = { endsAt: number, onLate: () => void }
type Deadlines = { waiting: Set<Deadline>, timer: NodeJS.Timeout }

/**
 * By their length in ms. Deadlines of one length end in the order in which they began, so one timer serves them all. A
 * timer for each call would almost always be cleared before it fires.
 */
const deadlines = new Map<number, Deadlines>()

/** Calls `onLate` in `lengthMs`, unless the returned function is called before. */
function startDeadline (lengthMs: number, onLate: () => void): () => void {
  const deadline: Deadline = { endsAt: performance.now() + lengthMs, onLate }
  const same = deadlines.get(lengthMs) ?? createDeadlines(lengthMs)
  same.waiting.add(deadline)
  same.timer.ref()
  return () => {
    same.waiting.delete(deadline)
    if (same.waiting.size === 0) same.timer.unref()
  }
}

function createDeadlines (lengthMs: number): Deadlines {
  const end = (): void => {
    for (const deadline of waiting) {
      if (deadline.endsAt > performance.now()) break
      waiting.delete(deadline)
      deadline.onLate()
    }
    const [next] = waiting
    if (next === undefined) deadlines.delete(lengthMs)
    else created.timer = setTimeout(end, Math.ceil(next.endsAt - performance.now()))
  }
  const waiting = new Set<Deadline>()
  const created: Deadlines = { waiting, timer: setTimeout(end, lengthMs) }
  deadlines.set(lengthMs, created)
  return created
}

/** The result of the work; rejects with what `late` returns when it takes longer than `deadlineMs`. */
export function withDeadline<T> (deadlineMs: number, late: () => Error, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const stop = startDeadline(deadlineMs, () => reject(late()))
    work.then(resolve, reject).finally(stop)
  })
}

/** Waits for the work to settle, at most `timeoutMs`; its result and its errors are ignored. */
export async function waitAtMost (timeoutMs: number, work: Promise<unknown>): Promise<void> {
  await withDeadline(timeoutMs, () => new Error('timeout'), work).catch(() => {})
}

export type ExchangeLimits = {
  /** Of the whole exchange: connecting, waiting, reading. */
  deadlineMs: number
  /** The error after the deadline. */
  late: () => Error
  /** A longer body ends the exchange. */
  maxBytes: number
  /** Is called for an answer that is not the final one (1xx). */
  onInterim?: () => void
}
export type Response = {
  status: number
  headers: Readonly<Record<string, string | string[] | undefined>>
  /** Rejects when the rest of the response does not arrive. */
  body: Promise<Buffer>
}

/**
 * One HTTP request and its response. By undici's `dispatch`, because `request` makes a stream and two promises for each
 * body. undici has a request to abort only once it has a connection, so the deadline ends the wait in any case.
 */
export function exchange (
  dispatcher: Dispatcher, options: Dispatcher.DispatchOptions,
  { deadlineMs, late, maxBytes, onInterim = () => {} }: ExchangeLimits,
): Promise<Response> {
  const { promise: response, resolve, reject } = Promise.withResolvers<Response>()
  const body = Promise.withResolvers<Buffer>()
  body.promise.catch(() => {})
  const chunks: Buffer[] = []
  let size = 0
  let running: Dispatcher.DispatchController | null = null
  let aborted: Error | null = null
  const fail = (error: Error): void => {
    stop()
    reject(error)
    body.reject(error)
  }
  const abort = (error: Error): void => {
    aborted = error
    fail(error)
    running?.abort(error)
  }
  const stop = startDeadline(deadlineMs, () => abort(late()))
  dispatcher.dispatch(options, {
    onRequestStart (controller) {
      running = controller
      if (aborted !== null) controller.abort(aborted)
    },
    onResponseStart (_controller, status, headers) {
      if (status < 200) onInterim()
      else resolve({ status, headers, body: body.promise })
    },
    onResponseData (_controller, chunk) {
      size += chunk.length
      if (size > maxBytes) abort(new errors.ResponseExceededMaxSizeError())
      else chunks.push(chunk)
    },
    onResponseEnd () {
      stop()
      body.resolve(Buffer.concat(chunks))
    },
    onResponseError: (_controller, error) => fail(error),
  })
  return response
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
