import type { VendorAnswer } from '../core/vocabulary.ts'
import type { ProviderRequest } from './adapter.ts'
import { membersOf, readText, type Members } from './message.ts'

/**
 * What a provider itself said when it refused a call, for the operator's log and `GET /providers`: the status, its code
 * and its text. Nothing that identifies a person or opens an account passes: no value of our request, no number, no
 * address, no word that may be a secret.
 */

const maxLength = 200
/** What is read of a text. A page of HTML says what matters in its first lines. */
const maxRead = 2_000
const hidden = '[hidden]'

/** The request that was refused. */
type Sent = { url: string, headers: ProviderRequest['headers'] | undefined, body: string | undefined }

/** `text`: the body as it arrived. `body`: the same, parsed; undefined when it is not JSON. */
export function describeAnswer (answer: { status: number, text: string, body: unknown }, sent: Sent): VendorAnswer {
  const sources = sourcesOf(answer.body)
  const secrets = secretsOf(sent)
  const code = first(sources, ['errorCode', 'error_code', 'code', 'error', 'type', 'status'], readCode)
  const texts = sources.flatMap(source => textNames.flatMap(name => readText(source[name], maxRead) ?? []))
  const said = [...new Set(texts)].filter(text => text !== code)
  const text = answer.body === undefined ? answer.text.slice(0, maxRead).replaceAll(/<[^>]*>/g, ' ') : said.join('. ')
  return {
    status: answer.status,
    code: code !== null && !secrets.some(secret => code.toLowerCase().includes(secret)) ? code : null,
    text: scrub(text, secrets) || null,
  }
}

/** There was no answer: the error code of the connection, such as `ENOTFOUND` or `CERT_HAS_EXPIRED`. */
export function describeFailure (error: unknown): VendorAnswer | null {
  const code: unknown = error instanceof Error && 'code' in error ? error.code : null
  return typeof code === 'string' && /^[A-Z][A-Z0-9_]{2,60}$/.test(code) ? { status: null, code, text: null } : null
}

/** Providers put an error at the top, or into `error`, `response` or the first of `errors`. */
function sourcesOf (body: unknown): Members[] {
  const { error, response, errors } = membersOf(body)
  return [body, error, response, Array.isArray(errors) ? errors[0] : null].map(membersOf)
}

const textNames = [
  'title', 'message', 'errorMessage', 'detail', 'description', 'error_description', 'error', 'statusMessage',
] as const

function first (
  sources: readonly Members[], names: readonly string[], read: (value: unknown) => string | null,
): string | null {
  for (const name of names) {
    for (const source of sources) {
      const value = read(source[name])
      if (value !== null) return value
    }
  }
  return null
}

const wordCode = /^[A-Za-z]{1,20}([._-][A-Za-z]{1,20}){0,5}$/
const numberCode = /^[A-Za-z]{0,3}\d{1,5}$/

/** A code is a few digits, or words: anything else may be something else. Of a URL it is the fragment (RFC 9457). */
function readCode (value: unknown): string | null {
  const text = readText(value, 512)?.replace(/^https?:\/\/[^#]*#/, '') ?? ''
  return wordCode.test(text) || numberCode.test(text) ? text : null
}

/** The text without what may be private, on one line, of at most 200 characters. */
function scrub (text: string, secrets: readonly string[]): string {
  const open = secrets.reduce(hide, text.replaceAll(/[\s\p{C}]+/gu, ' '))
  const line = open.split(' ').map(word => isPlain(word) ? word : hidden).join(' ')
    .replaceAll(digitRun, run => (run.match(/\p{Nd}/gu) ?? []).length > 4 ? ` ${hidden} ` : run)
    .replaceAll(/(\[hidden\]\s*)+/g, `${hidden} `).replaceAll(/\s+/g, ' ').trim()
  return line.length > maxLength ? `${line.slice(0, maxLength - 1)}…` : line
}

/** Digits without a letter between them may be one number; not those of a code such as `SP40007`. */
const digitRun = /(?<![\p{L}\p{Nd}])\p{Nd}(?:[^\p{L}[]|\[(?!hidden\]))*/gu

/** `secret` is in lower case. */
function hide (text: string, secret: string): string {
  const found: string[] = []
  let from = 0
  const lower = text.toLowerCase()
  // The lower case of a few letters has another length. Then positions differ, and the text cannot be cut safely.
  if (lower.length !== text.length) return lower.includes(secret) ? hidden : text
  for (let at = lower.indexOf(secret); at >= 0; at = lower.indexOf(secret, from)) {
    found.push(text.slice(from, at))
    from = at + secret.length
  }
  return [...found, text.slice(from)].join(` ${hidden} `)
}

/** Words of a language and short codes; not an address of any kind, and nothing that looks random. */
function isPlain (word: string): boolean {
  if (word === hidden) return true
  if (/[@%]|:\/\/|:.*:/.test(word)) return false
  const parts = word.split(/[\-_/.,:;!?'’"“”()[\]{}<>=*#&|]+/)
    .filter(part => !/^\p{L}{0,20}$/u.test(part) && !/^\d{1,5}$/.test(part))
  return parts.length === 0 || (parts.length === 1 && /^([\p{L}\d]{1,5}|[A-Za-z]{1,3}\d{1,5})$/u.test(parts[0] ?? ''))
}

/** Closed words, such as `WHATSAPP` or `phone_check`: they say what was refused. */
const closedWord = /^([A-Z_]{1,20}|[a-z]{1,12}(_[a-z]{1,12})+)$/
/** A word of our own paths, such as `token`: providers use it in their texts, too. */
const pathWord = /^[a-z]{1,12}$/
const minSecretLength = 4

/** The values of the request, in lower case, the longest first. */
function secretsOf ({ url, headers = {}, body = '' }: Sent): string[] {
  const { pathname, searchParams } = new URL(url)
  const isForm = headers['content-type']?.includes('form') === true
  const values = [
    ...pathname.split('/').map(decode).filter(word => !pathWord.test(word)), ...searchParams.values(),
    ...isForm ? new URLSearchParams(body).values() : valuesOf(parse(body)),
  ].filter(value => !closedWord.test(value))
  const credentials = Object.entries(headers).filter(([name]) => !/^(content-type|cache-control|accept)$/i.test(name))
    .flatMap(([, value]) => credentialsOf(value))
  return [...new Set([...values, ...credentials].map(value => value.toLowerCase()))]
    .filter(value => value.length >= minSecretLength).toSorted((a, b) => b.length - a.length)
}

/** A header's value; of `Bearer` or another scheme what follows; of `Basic` also the name and the password. */
function credentialsOf (value: string): string[] {
  const [, scheme = '', token = ''] = /^([\w-]{1,20}) +(\S.*)$/.exec(value) ?? []
  if (scheme === '') return [value]
  return [value, token, ...scheme.toLowerCase() === 'basic' ? Buffer.from(token, 'base64').toString().split(':') : []]
}

/** Every text and number in a JSON value. */
function valuesOf (value: unknown): string[] {
  if (typeof value === 'string') return [value]
  if (typeof value === 'number') return [String(value)]
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(valuesOf) : []
}

function parse (body: string): unknown {
  try {
    return JSON.parse(body)
  } catch {
    return body
  }
}

function decode (text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
