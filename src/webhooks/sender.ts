import { lookup as systemLookup, type LookupAddress } from 'node:dns'
import { isIP, type LookupFunction } from 'node:net'
import { Agent, errors } from 'undici'
import { allowsAddress, readWebhookUrl } from '../apps/endpoint.ts'
import { exchange, readRetryAfter, type Response } from '../net.ts'
import { signWebhook } from './signature.ts'

/** Why no response came. A closed vocabulary, because error messages contain addresses. */
export const webhookErrors = [
  'timeout', 'connection_refused', 'unreachable', 'dns', 'tls', 'reset', 'bad_response', 'address_not_allowed',
  'invalid_url', 'other',
] as const
export type WebhookError = typeof webhookErrors[number]

export type Webhook = {
  url: string
  /** `whsec_` and base64. Each makes a signature, so that a receiver may know any of them during a rotation. */
  secrets: readonly string[]
  webhookId: string
  /** The JSON text, signed and sent unchanged. */
  body: string
  /** Milliseconds since the epoch. */
  now: number
  /** W3C Trace Context, sent so that the app can continue the trace. */
  traceparent?: string | null
}

/** The result of one request. Without a response `statusCode` is null and `error` says why. */
export type WebhookResponse = {
  statusCode: number | null, durationMs: number, error: WebhookError | null, retryAfterMs: number | null,
}

/** `timeoutMs` is the deadline of a whole request: connecting and waiting for the response. */
export type WebhookOptions = { lookup?: Lookup, timeoutMs?: number }

export type WebhookSender = {
  /** Sends one webhook once. Rejects only when the sender is closed during the request: the result is then unknown. */
  send (webhook: Webhook): Promise<WebhookResponse>
  /** Aborts the running requests. */
  close (): Promise<void>
}

/** Resolves a host name; `dns.lookup` by default. */
export type Lookup = (
  host: string, options: { all: true },
  callback: (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void,
) => void

const maxBodyBytes = 4096
const connectionsPerOrigin = 50
const timedOut = (): Error => Object.assign(new Error('deadline'), { code: 'ETIMEDOUT' })
const notAllowed = (): Error => Object.assign(new Error('address not allowed'), { code: 'ADDRESS_NOT_ALLOWED' })

/**
 * A lookup that returns allowed addresses only. The connection uses it directly, so that the checked address is the
 * one that it connects to (no DNS rebinding).
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
 * The HTTP client for the apps' endpoints. It follows no redirects, and reads at most 4 KiB of a response body, which
 * it discards.
 */
export function createWebhookSender (
  { lookup = systemLookup, timeoutMs = 10_000 }: WebhookOptions = {},
): WebhookSender {
  const createAgent = (protocol: string): Agent => new Agent({
    connect: { lookup: guardLookup(protocol, lookup), timeout: timeoutMs },
    connections: connectionsPerOrigin, headersTimeout: 0, bodyTimeout: 0,
  })
  let isClosed = false
  const agents = new Map(['http:', 'https:'].map(protocol => [protocol, createAgent(protocol)]))

  async function request (
    url: URL, { body, traceparent = null, ...signed }: Webhook,
  ): Promise<Response> {
    const host = url.hostname.replace(/^\[|\]$/g, '')
    const agent = agents.get(url.protocol)
    if (agent === undefined || (isIP(host) !== 0 && !allowsAddress(url.protocol, host))) throw notAllowed()
    return exchange(agent, {
      origin: url.origin, path: url.pathname + url.search, method: 'POST', body,
      headers: {
        'content-type': 'application/json', 'user-agent': 'verigate', ...(traceparent === null ? {} : { traceparent }),
        ...signWebhook({ body, ...signed }),
      },
    }, { deadlineMs: timeoutMs, late: timedOut, maxBytes: maxBodyBytes })
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
        // The status decides. The body is read only so that the connection can be used again.
        const { status, headers } = await request(url, webhook)
        return end(status, null, readRetryAfter(headers['retry-after'], webhook.now))
      } catch (error) {
        if (isClosed) throw new Error('the webhook sender was closed during a request')
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
  [/^(ERR_TLS_\w+|ERR_SSL_\w+|EPROTO|CERT_\w+|ERR_OSSL_\w+)$/, 'tls'],
  [/^(UNABLE_TO_\w+|SELF_SIGNED_\w+|DEPTH_ZERO_\w+|INVALID_CA|HOSTNAME_MISMATCH)$/, 'tls'],
  [/^(UND_ERR_HEADERS_OVERFLOW|UND_ERR_RES_\w+)$/, 'bad_response'],
  [/^(ECONNRESET|EPIPE|ECONNABORTED|UND_ERR_SOCKET)$/, 'reset'],
]

function readError (error: unknown): WebhookError {
  if (error instanceof errors.HTTPParserError) {
    return error.message.includes('Invalid EOF state') ? 'reset' : 'bad_response'
  }
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  return errorsByCode.find(([pattern]) => pattern.test(code))?.[1] ?? 'other'
}
