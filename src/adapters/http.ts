import { promisify } from 'node:util'
import { inflateRaw, unzip } from 'node:zlib'
import { errors, Pool } from 'undici'
import type { AdapterIo, Http } from './adapter.ts'
import { exchange, readRetryAfter, type Response } from '../net.ts'
import { ProviderError } from '../core/errors.ts'
import type { Reason } from '../core/reasons.ts'
import { describeAnswer, describeFailure } from './vendor-answer.ts'

export type HttpOptions = {
  /** Deadline of the whole call: connecting, waiting, reading. */
  timeoutMs?: number
  /** Size limit of a response body, both as sent and unpacked. */
  maxBytes?: number
  /** Permits http, ports and loopback (sandbox and tests only). */
  allowInsecure?: boolean
  /** Milliseconds since the epoch; a `Retry-After` date is compared with it. */
  now?: () => number
}

type Failure = { reason: Reason, retryable: boolean }
const badResponse: Failure = { reason: 'provider_bad_response', retryable: false }
const outage: Failure = { reason: 'provider_error', retryable: true }
const timeout: Failure = { reason: 'provider_timeout', retryable: true }

const failures = new Map<unknown, Failure>([
  ['UND_ERR_CONNECT_TIMEOUT', timeout],
  ['ETIMEDOUT', timeout],
  ['UND_ERR_RES_EXCEEDED_MAX_SIZE', badResponse],
  ['UND_ERR_HEADERS_OVERFLOW', badResponse],
  ['UND_ERR_INVALID_ARG', badResponse],
  ['Z_DATA_ERROR', badResponse],
  ['Z_BUF_ERROR', badResponse],
  ['ERR_BUFFER_TOO_LARGE', badResponse],
])

/**
 * Opens the network to providers: undici pools, one per origin, kept until `close`. A call returns an answer (2xx, or
 * 4xx without 429), or throws a `ProviderError` made of provider, call and status: it contains no URL, header, body or
 * underlying error.
 */
export function createHttp (options: HttpOptions = {}): {
  openHttp: AdapterIo['openHttp'], close: () => Promise<void>,
} {
  const { timeoutMs = 5000, maxBytes = 256 * 1024, allowInsecure = false, now = Date.now } = options
  const pools = new Map<string, Pool>()
  let closing: Promise<unknown> | null = null

  function openPool (origin: string): Pool {
    let pool = pools.get(origin)
    if (pool === undefined) {
      pool = new Pool(origin, { connect: { timeout: timeoutMs }, headersTimeout: 0, bodyTimeout: 0 })
      pools.set(origin, pool)
    }
    return pool
  }

  function openHttp (provider: string, hosts: string[]): Http {
    const allowed = new Set(hosts)

    return async function request ({ method, url: text, call, headers, body, timeoutMs: wantedMs = timeoutMs }) {
      const url = readUrl(text, allowed, allowInsecure)
      if (url === null) throw new ProviderError(provider, call, 'provider_bad_response')
      if (closing !== null) throw new ProviderError(provider, call, 'provider_error', { retryable: true })

      // A 1xx is not a final answer: a server that sends nothing else breaks HTTP, so the failure is not a timeout.
      let interim = false
      const fail = (failure: Failure, error?: unknown): ProviderError => {
        const { reason, retryable } = interim ? badResponse : failure
        return new ProviderError(provider, call, reason, { retryable, vendor: describeFailure(error) })
      }
      const sent = { url: text, headers, body }
      try {
        const { status, headers: received, body: reading } = await exchange(openPool(url.origin), {
          method,
          path: url.pathname + url.search,
          headers: { 'user-agent': 'verigate', 'accept-encoding': 'gzip, deflate', ...headers },
          body: body ?? null,
        }, {
          deadlineMs: Math.min(wantedMs, timeoutMs), late: () => fail(timeout), maxBytes,
          onInterim: () => { interim = true },
        })
        const content = await readBody(received, reading, maxBytes).catch((error: unknown) => {
          // The body of a refusal is for the operator only.
          if (isAnswer(status) || error instanceof ProviderError) throw error
          return ''
        })
        const parsed = parseJson(content)
        const describe = () => describeAnswer({ status, text: content, body: parsed }, sent)
        if (isAnswer(status)) return { status, headers: joinHeaders(received), body: parsed, describe }
        const [reason, details] = ofStatus(status, readRetryAfter(received['retry-after'], now()))
        throw new ProviderError(provider, call, reason, { ...details, vendor: describe() })
      } catch (error) {
        if (error instanceof ProviderError) throw error
        throw fail(readFailure(error), error)
      }
    }
  }

  /** Lets running calls finish, within their deadline. */
  async function close (): Promise<void> {
    closing ??= Promise.all([...pools.values()].map(pool => pool.close()))
    await closing
  }

  return { openHttp, close }
}

/**
 * Parses by the WHATWG rules. The text must begin with exactly the parsed origin, so user info and other spellings of a
 * host are refused.
 */
function readUrl (text: string, allowed: Set<string>, allowInsecure: boolean): URL | null {
  const url = URL.parse(text)
  if (url === null || !text.startsWith(`${url.origin}/`) || text.includes('#') || !allowed.has(url.host)) return null
  if (allowInsecure) return url.protocol === 'https:' || url.protocol === 'http:' ? url : null
  const isAddress = /(^|\.)localhost\.?$|(^|\.)\d+\.?$|\]$/.test(url.hostname)
  return url.protocol === 'https:' && url.port === '' && !isAddress ? url : null
}

function isAnswer (status: number): boolean {
  return (status >= 200 && status < 300) || (status >= 400 && status < 500 && status !== 429)
}

/** Without a byte order mark; invalid bytes become U+FFFD. */
const utf8 = new TextDecoder()
const unpack = { unzip: promisify(unzip), inflateRaw: promisify(inflateRaw) }

/**
 * The text of a body, also when it is compressed (RFC 9110 section 8.4.1); '' when its coding is unknown. undici's own
 * decompression is experimental, and does not know `deflate` without the zlib header, which some servers send.
 */
async function readBody (
  headers: Response['headers'], body: Promise<Buffer>, maxOutputLength: number,
): Promise<string> {
  const coding = String(headers['content-encoding'] ?? '').trim().toLowerCase()
  const bytes = await body
  if (coding === '' || coding === 'identity') return utf8.decode(bytes)
  if (bytes.length === 0 || !/^(x-)?gzip$|^deflate$/.test(coding)) return ''
  const hasHeader = coding !== 'deflate' || ((bytes[0] ?? 0) & 0x0f) === 8
  const text = await (hasHeader ? unpack.unzip : unpack.inflateRaw)(bytes, { maxOutputLength })
  return utf8.decode(text)
}

type Details = { retryable: boolean, status: number, retryAfterMs: number | null }

function ofStatus (status: number, retryAfterMs: number | null): [Reason, Details] {
  if (status === 429) return ['rate_limited_by_provider', { retryable: true, status, retryAfterMs }]
  if (status >= 500 && status < 600) return ['provider_error', { retryable: true, status, retryAfterMs }]
  return ['provider_bad_response', { retryable: false, status, retryAfterMs: null }]
}

/** What failed below HTTP. Every error that is not known to be a breach of protocol counts as an outage. */
function readFailure (error: unknown): Failure {
  if (!(error instanceof Error)) return outage
  // undici distinguishes these only by their messages: invalid bytes, a truncated body, an unexpected interim status.
  if (error instanceof errors.HTTPParserError && !error.message.includes('Invalid EOF state')) return badResponse
  if (error.message === 'bad response' || error.message === 'bad upgrade') return badResponse
  return failures.get('code' in error ? error.code : undefined) ?? outage
}

function joinHeaders (headers: Record<string, string | string[] | undefined>): Record<string, string> {
  const joined: Record<string, string> = {}
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined) joined[name] = typeof value === 'string' ? value : value.join(', ')
  }
  return joined
}

/** The content type is ignored: providers send JSON as text, and HTML as JSON. */
function parseJson (text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
