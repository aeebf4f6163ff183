import type { ProviderRequest } from '../adapter.ts'
import type { Entry } from './schema.ts'
import { fill, mapTexts, type Values } from './template.ts'

type Request = Entry['request']

/** The placeholders of the URL, the headers and the body. */
export const requestNames = ['phoneNumber', 'digits', 'text', 'code', 'callbackUrl'] as const
/** Those of a header: the text of a message may have line ends, which a header cannot. */
export const headerNames = requestNames.filter(name => name !== 'text')

/** An origin may come from the environment: it is the beginning of the URL. */
const envAtStart = /^\$\{env:[^}]*\}/

/** Values are escaped, except for an origin from the environment. */
export function writeUrl (url: string, values: Values, env: Values): string {
  const [origin = ''] = envAtStart.exec(url) ?? []
  return fill(origin, {}, env).replace(/\/+$/, '') + fill(url.slice(origin.length), values, env, encodeURIComponent)
}

/** `Basic user:password` is encoded. Credentials that are already encoded have no colon. */
export function writeHeader (text: string): string {
  const [, credentials] = /^Basic +(.*:.*)$/is.exec(text) ?? []
  return credentials === undefined ? text : `Basic ${Buffer.from(credentials).toString('base64')}`
}

const contentType = (headers: Readonly<Record<string, string>>): string =>
  Object.entries(headers).find(([name]) => name.toLowerCase() === 'content-type')?.[1] ?? 'application/json'

export const isForm = ({ headers = {} }: Pick<Request, 'headers'>): boolean =>
  /^application\/x-www-form-urlencoded\b/i.test(contentType(headers))

/** Each item of a list becomes a field with the name of the list. */
function writeForm (body: unknown): string {
  const form = new URLSearchParams()
  for (const [name, value] of Object.entries(body ?? {})) {
    for (const one of Array.isArray(value) ? value : [value]) form.append(name, String(one))
  }
  return form.toString()
}

/** The request for one message. A value in the environment is part of it, but never a placeholder. */
export function writeRequest (request: Request, values: Values, env: Values): ProviderRequest {
  const { method = 'POST', url, headers = {}, body } = request
  const written = Object.fromEntries(Object.entries(headers).map(
    ([name, text]) => [name.toLowerCase(), writeHeader(fill(text, values, env))],
  ))
  const sent = { method, url: writeUrl(url, values, env), call: 'message' }
  if (body === undefined) return { ...sent, headers: written }
  const filled = mapTexts(body, text => fill(text, values, env))
  return {
    ...sent, headers: { 'content-type': 'application/json', ...written },
    body: isForm(request) ? writeForm(filled) : JSON.stringify(filled),
  }
}
