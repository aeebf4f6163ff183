import { lookup as systemLookup, type LookupAddress } from 'node:dns'
import type { EventEmitter } from 'node:events'
import { isIP, type LookupFunction } from 'node:net'
import { Agent, errors, type Dispatcher } from 'undici'
import { readWebhookUrl } from '../apps/endpoint.ts'
import { withDeadline, isPrivateAddress, listAddresses, readRetryAfter } from '../net.ts'
import { signWebhook } from './signature.ts'

/** Why no answer came. A closed vocabulary: never a message, since messages carry addresses. */
export const webhookErrors = [
  'timeout', 'connection_refused', 'unreachable', 'dns', 'tls', 'reset', 'bad_response', 'address_not_allowed', 'invalid_url', 'other',
] as const
export type WebhookError = typeof webhookErrors[number]

export type Webhook = {
  url: string
  /** `whsec_` and base64: one signature each, so that a receiver may know either during a rotation. */
  secrets: readonly string[]
  webhookId: string
  /** The JSON text that is signed and sent as it is. */
  body: string
  /** Milliseconds since the epoch. */
  now: number
  /** W3C Trace Context, sent as it is: the app may continue the trace. */
  traceparent?: string | null
}

/** One try. `statusCode` is that of the answer, whatever it was; without an answer `error` says why. */
export type WebhookResponse = {
  statusCode: number | null, durationMs: number, error: WebhookError | null, retryAfterMs: number | null,
}

/** `timeoutMs` is the deadline of a whole try: connecting, waiting for the answer. */
export type WebhookOptions = { lookup?: Lookup, timeoutMs?: number }

export type WebhookSender = {
  /** Sends one webhook once. Rejects only when the sender was closed meanwhile: then nobody knows what came of it. */
  send (webhook: Webhook): Promise<WebhookResponse>
  /** Cuts off what is under way. */
  close (): Promise<void>
}

/** Finds the addresses of a host; `dns.lookup`, or what stands in for it. */
export type Lookup = (
  host: string, options: { all: true },
  callback: (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void,
) => void

const maxBodyBytes = 4096
const connectionsPerOrigin = 50
/**
 * Link-local, also as NAT64 (RFC 6052) or IPv4-compatible addresses write it, and what else clouds serve their metadata
 * at. IPv4-mapped forms are known to `BlockList`.
 */
const neverAllowed = listAddresses([
  ['169.254.0.0', 16], ['64:ff9b::a9fe:0', 112], ['::a9fe:0', 112], ['fe80::', 10],
  ['100.100.100.200', 32], [
    '64:ff9b::6464:64c8', 128,
  ], ['192.0.0.192', 32], ['fd00:ec2::254', 128], ['fd20:ce::254', 128],
])
/** Whether a webhook may go to this address: link-local never, without TLS only to loopback and private ones. */
export function allowsAddress (protocol: string, address: string): boolean {
  const [bare = ''] = address.split('%')
  const version = isIP(bare)
  if (version === 0) return false
  const family = version === 6 ? 'ipv6' : 'ipv4'
  return !neverAllowed.check(bare, family) && (protocol === 'https:' || isPrivateAddress(bare))
}

const notAllowed = (): Error => Object.assign(new Error('address not allowed'), { code: 'ADDRESS_NOT_ALLOWED' })

/**
 * A lookup that finds allowed addresses only. It is the connection's own, so that no other answer can come between the
 * judgement and its use.
 */
const guardLookup = (protocol: string, lookup: Lookup): LookupFunction => (host, { all }, callback) => {
  lookup(host, { all: true }, (error, found) => {
    if (error !== null) return callback(error, [])
    const addresses = found.filter(({ address }) => allowsAddress(protocol, address))
    const [first] = addresses
    if (first === undefined) return callback(notAllowed(), [])
    if (all === true) callback(null, addresses)
    else callback(null, first.address, first.family)
  })
}

/**
 * Opens the network to the apps' endpoints. Redirects are not followed; of an answer at most 4 KiB are read, and none
 * is kept.
 */
export function createWebhookSender (
  { lookup = systemLookup, timeoutMs = 10_000 }: WebhookOptions = {},
): WebhookSender {
  const openAgent = (protocol: string): Agent => new Agent({
    connect: {
      lookup: guardLookup(protocol, lookup), timeout: timeoutMs,
    }, connections: connectionsPerOrigin, headersTimeout: 0, bodyTimeout: 0,
  })
  let isClosed = false
  const agents = new Map(['http:', 'https:'].map(protocol => [protocol, openAgent(protocol)]))

  async function exchange (
    url: URL, { body, traceparent = null, ...signed }: Webhook, signal: EventEmitter,
  ): Promise<Dispatcher.ResponseData> {
    const host = url.hostname.replace(/^\[|\]$/g, '')
    const agent = agents.get(url.protocol)
    if (agent === undefined || (isIP(host) !== 0 && !allowsAddress(url.protocol, host))) throw notAllowed()
    return agent.request({
      origin: url.origin, path: url.pathname + url.search, method: 'POST', body, signal,
      headers: {
        'content-type': 'application/json', 'user-agent': 'verigate', ...(traceparent === null ? {} : { traceparent }),
        ...signWebhook({ body, ...signed }),
      },
    })
  }

  return {
    async send (webhook) {
      const startedAt = performance.now()
      const end = (
        statusCode: number | null, error: WebhookError | null, retryAfterMs: number | null = null,
      ): WebhookResponse =>
        ({ statusCode, durationMs: Math.round(performance.now() - startedAt), error, retryAfterMs })
      try {
        const url = readWebhookUrl(webhook.url)
        if (url === null) return end(null, 'invalid_url')
        let answer: WebhookResponse | null = null
        const late = (): Error => Object.assign(new Error('deadline'), { code: 'ETIMEDOUT' })
        return await withDeadline(timeoutMs, late, async signal => {
          const { statusCode, headers, body } = await exchange(url, webhook, signal)
          answer = end(statusCode, null, readRetryAfter(headers['retry-after'], webhook.now))
          // The status has decided; reading on only keeps the connection for the next one.
          await body.dump({ limit: maxBodyBytes }).catch(() => undefined)
          return answer
        }).catch(error => {
          if (answer === null) throw error
          return answer
        })
      } catch (error) {
        if (isClosed) throw new Error('closed while a webhook was under way')
        return end(null, readError(error))
      }
    },
    async close () {
      isClosed = true
      await Promise.all([...agents.values()].map(agent => agent.destroy()))
    },
  }
}

const errorsByCode: [pattern: RegExp, error: WebhookError][] = [
  [/^ADDRESS_NOT_ALLOWED$/, 'address_not_allowed'],
  [/^(ETIMEDOUT|UND_ERR_(CONNECT|HEADERS|BODY)_TIMEOUT)$/, 'timeout'],
  [/^ECONNREFUSED$/, 'connection_refused'],
  [/^(EHOSTUNREACH|ENETUNREACH|EADDRNOTAVAIL|EHOSTDOWN|ENETDOWN)$/, 'unreachable'],
  [/^(ENOTFOUND|EAI_\w+|ENODATA|ESERVFAIL)$/, 'dns'],
  [
    /^(ERR_TLS_\w+|ERR_SSL_\w+|EPROTO|CERT_\w+|ERR_OSSL_\w+|UNABLE_TO_\w+|SELF_SIGNED_\w+|DEPTH_ZERO_\w+|INVALID_CA|HOSTNAME_MISMATCH)$/,
    'tls',
  ],
  [/^(UND_ERR_HEADERS_OVERFLOW|UND_ERR_RES_\w+)$/, 'bad_response'],
  [/^(ECONNRESET|EPIPE|ECONNABORTED|UND_ERR_SOCKET)$/, 'reset'],
]

function readError (error: unknown): WebhookError {
  if (error instanceof errors.HTTPParserError) return error.message.includes('Invalid EOF state')
    ? 'reset'
    : 'bad_response'
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  return errorsByCode.find(([pattern]) => pattern.test(code))?.[1] ?? 'other'
}
