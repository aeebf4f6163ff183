import { membersOf, readString, type Members } from '../message.ts'
import { headerNames, isForm, requestNames, writeHeader, writeUrl } from './request.ts'
import { inPointer, type Problem } from './schema.ts'
import { envNamesIn, fill, isEnvName, membersIn, namesIn, textsIn, withoutEnv, type Values } from './template.ts'

/**
 * What is wrong with an entry besides the shape of its values. Every check reads the entry as it is, because other
 * values of it may have a wrong shape, and leaves those to `findMisshapen`.
 */

export type Surroundings = {
  /** The value of an environment variable; null: it is not set. Throws `Error` whose message says what is wrong. */
  lookUp: (name: string) => string | null
  /** http, ports and loopback are permitted. */
  allowInsecure: boolean
  /** Names of providers that exist already, and of their instances before the hyphen. */
  taken: ReadonlySet<string>
}

const listed = (names: readonly string[]): string => names.map(name => `{${name}}`).join(', ')
const textNames = ['code', 'app']

/** Headers that HTTP or the gateway sets. */
const ownHeaders = new Set([
  'host', 'content-length', 'transfer-encoding', 'connection', 'keep-alive', 'upgrade', 'te', 'trailer', 'expect',
  'accept-encoding', 'proxy-connection',
])
const isOnce = (list: readonly string[], one: string): boolean => list.indexOf(one) === list.lastIndexOf(one)
const headerName = /^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/
const visible = /^[\x20-\x7e\t]*$/

/** The values of the variables that a part of the entry names, and what is wrong with them. */
function readEnv (value: unknown, path: string, { lookUp }: Surroundings): { env: Values, problems: Problem[] } {
  const env: Record<string, string> = {}
  const problems: Problem[] = []
  for (const { path: place, text } of textsIn(value, path)) {
    for (const name of envNamesIn(text)) {
      const problem = isEnvName(name) ? readInto(env, name, lookUp) : 'has a ${env:…} whose name is not a variable\'s'
      if (problem !== null) problems.push({ path: place, message: problem })
    }
    if (/\{\s*env\s*:/i.test(withoutEnv(text))) {
      problems.push({ path: place, message: 'has a variable that must be written as ${env:NAME}' })
    }
  }
  return { env, problems }
}

function readInto (env: Record<string, string>, name: string, lookUp: Surroundings['lookUp']): string | null {
  try {
    const value = lookUp(name)
    if (value === null) return `names the environment variable ${name}, which is not set: set it, or ${name}_FILE`
    env[name] = value
    return null
  } catch (error) {
    return `names the environment variable ${name}: ${error instanceof Error ? error.message : 'it cannot be read'}`
  }
}

const unknownNames = (value: unknown, path: string, known: readonly string[]): Problem[] =>
  textsIn(value, path).flatMap(({ path: place, text }) =>
    namesIn(text).filter(name => !known.includes(name)).map(name =>
      ({ path: place, message: `has {${name}}, which is not a placeholder here: use ${listed(known)}` })))

/** The same demands as those of the network, with the place that is wrong. */
function problemsOfUrl (url: string, env: Values, allowInsecure: boolean): string[] {
  const authority = url.replace(/^\$\{env:[^}]*\}/, '').replace(/^[a-z]+:\/\//i, '').split(/[/?#]/, 1)[0] ?? ''
  if (/[{}]/.test(authority)) {
    return ['must have no placeholder in its host: only ${env:NAME} may stand before the path']
  }
  const samples = Object.fromEntries(requestNames.map(name => [name, 'x']))
  const text = writeUrl(url, samples, env)
  const parsed = URL.parse(text)
  if (parsed === null || !/^https?:$/.test(parsed.protocol)) {
    return ['must be an https URL, such as https://sms.example.com/messages']
  }
  const isAddress = /(^|\.)localhost\.?$|(^|\.)\d+\.?$|\]$/.test(parsed.hostname)
  return [
    ...parsed.username + parsed.password === ''
      ? []
      : ['must have no user name and password: send them in the header authorization'],
    ...text.includes('#') ? ['must have no fragment (#)'] : [],
    ...allowInsecure || parsed.protocol === 'https:' ? [] : ['must begin with https://'],
    ...allowInsecure || parsed.port === '' ? [] : ['must have no port: https is on 443'],
    ...allowInsecure || !isAddress ? [] : ['must have a host name, not an address or localhost'],
    ...parsed.username + parsed.password !== '' || text.startsWith(`${parsed.origin}/`)
      ? []
      : [`must be written in its canonical form, with a path: it begins with ${parsed.origin}/`],
  ]
}

function problemsOfHeaders (headers: Members, path: string, env: Values): Problem[] {
  const names = Object.keys(headers).map(name => name.toLowerCase())
  return Object.entries(headers).flatMap(([name, text]) => {
    const place = `${path}/${inPointer(name)}`
    const say = (message: string): Problem[] => [{ path: place, message }]
    if (!headerName.test(name)) return say('is not the name of a header: use letters, digits and hyphens')
    if (ownHeaders.has(name.toLowerCase())) return say('is a header that the gateway makes: leave it out')
    if (!isOnce(names, name.toLowerCase())) return say('is there twice')
    if (typeof text !== 'string') return []
    const values = Object.fromEntries(requestNames.map(known => [known, 'x']))
    if (!visible.test(writeHeader(fill(text, values, env)))) {
      return say('must consist of visible ASCII characters, without line ends')
    }
    const isType = name.toLowerCase() === 'content-type'
    if (isType && !isForm({ headers: { [name]: text } }) && !/^application\/([\w.+-]+\+)?json\b/i.test(text)) {
      return say('must be application/json or application/x-www-form-urlencoded')
    }
    return unknownNames(text, place, headerNames)
  })
}

function problemsOfBody (request: Members, path: string): Problem[] {
  const { method, body, headers } = request
  if (body === undefined) return []
  if (method === 'GET') {
    return [{ path, message: 'must be absent with GET: put the placeholders into the query of url' }]
  }
  const form = { headers: membersOf(headers) as Record<string, string> }
  const isFlat = (value: unknown): boolean => typeof value !== 'object'
    || (Array.isArray(value) && value.every(item => typeof item !== 'object'))
  return [
    ...unknownNames(body, path, requestNames),
    ...membersIn(body, path).filter(({ name }) => namesIn(name).length + envNamesIn(name).length > 0)
      .map(({ path }) => ({ path, message: 'has a placeholder in its name: only values have placeholders' })),
    ...!isForm(form) ? [] : Object.entries(membersOf(body)).filter(([, value]) => !isFlat(value)).map(([name]) => ({
      path: `${path}/${inPointer(name)}`,
      message: 'must be a text, a number, a boolean or a list of them: it is a field of a form',
    })),
  ]
}

/** What the request must send, or the user never gets a code. */
function problemsOfContent (request: Members, { text, receipt }: Members): Problem[] {
  const path = '/request'
  const names = new Set(textsIn(request, '').flatMap(({ text }) => namesIn(text)))
  const say = (isWrong: boolean, path: string, message: string): Problem[] => isWrong ? [{ path, message }] : []
  return [
    ...say(!names.has('phoneNumber') && !names.has('digits'), path, 'must contain {phoneNumber} or {digits}'),
    ...say(!names.has('text') && !names.has('code'), path, 'must contain {text} or {code}'),
    ...say(names.has('text') && text === undefined, '/text', 'is missing: the request sends {text}'),
    ...say(!names.has('text') && text !== undefined, '/text', 'is never sent: put {text} into the request'),
    ...say(receipt !== undefined && !names.has('callbackUrl'), '/receipt',
      'never arrives: put {callbackUrl} into the request'),
  ]
}

function problemsOfTexts (texts: Members): Problem[] {
  const tags = Object.keys(texts).map(tag => tag.toLowerCase())
  return [
    ...'default' in texts
      ? []
      : [{ path: '/text/default', message: 'is missing: it is the text for every other language' }],
    ...Object.entries(texts).flatMap(([tag, text]): Problem[] => {
      const path = `/text/${inPointer(tag)}`
      return [
        ...tag === 'default' || isLanguageTag(tag)
          ? []
          : [{ path, message: 'is not a language tag such as de or pt-BR' }],
        ...isOnce(tags, tag.toLowerCase()) ? [] : [{ path, message: 'is there twice' }],
        ...typeof text !== 'string' || namesIn(text).includes('code') ? [] : [{ path, message: 'must contain {code}' }],
        ...typeof text === 'string' && /(?!\n)\p{Cc}/u.test(text)
          ? [{ path, message: 'must contain no control character but line ends' }]
          : [],
        ...typeof text === 'string' && envNamesIn(text).length > 0
          ? [{ path, message: 'has ${env:…}, which is filled in request only: write the value itself' }]
          : [],
        ...unknownNames(text, path, textNames),
      ]
    }),
  ]
}

function isLanguageTag (tag: string): boolean {
  try {
    return Intl.getCanonicalLocales(tag).length === 1
  } catch {
    return false
  }
}

const pointer = /^(\/([^~/]|~[01])*)+$/
const problemsOfMatch = (value: unknown, path: string): Problem[] =>
  Object.keys(membersOf(membersOf(value)['match'])).filter(key => !pointer.test(key)).map(key =>
    ({ path: `${path}/match/${inPointer(key)}`, message: 'is not a JSON pointer (RFC 6901) such as /code' }))

/** Without values, an entry of `refused` would take every answer that `accepted` is for. */
const problemsOfRefused = (refused: readonly unknown[], accepted: Members): Problem[] =>
  refused.map(membersOf).flatMap(({ status, match }, index) => {
    const isAccepted = Array.isArray(accepted['status']) && accepted['status'].includes(status)
    return isAccepted && Object.keys(membersOf(match)).length === 0
      ? [{ path: `/refused/${index}/match`, message: 'is missing: without it, no answer with this status is accepted' }]
      : []
  })

function problemsOfReceipt (receipt: Members): Problem[] {
  const words = ['sent', 'delivered', 'read', 'failed'].flatMap(name => {
    const list = receipt[name]
    return Array.isArray(list) ? list.map(word => ({ path: `/receipt/${name}`, word: String(word) })) : []
  })
  if (words.length === 0) {
    return [{ path: '/receipt', message: 'must have a list of words: sent, delivered, read or failed' }]
  }
  return words.filter(({ word }, index) => words.findIndex(other => other.word === word) < index)
    .map(({ path }) => ({ path, message: 'has a word that stands in another list, or twice' }))
}

function problemsOfName (name: string, { taken }: Surroundings): Problem[] {
  const [provider = ''] = name.split('-')
  return taken.has(name) || taken.has(provider)
    ? [{ path: '/name', message: 'is the name of a provider that Verigate has: use another one' }]
    : []
}

/** Problems of one entry, by their path in it. */
export function findContradictions (value: unknown, surroundings: Surroundings): Problem[] {
  const entry = membersOf(value)
  const request = membersOf(entry['request'])
  const { env, problems } = readEnv(request, '/request', surroundings)
  const [name, url] = [readString(entry['name']), readString(request['url'], 2048)]
  const refused = Array.isArray(entry['refused']) ? entry['refused'] : []
  const isEnvKnown = !problems.some(({ path }) => path === '/request/url')
  const texts = entry['text']
  return [
    ...name === null ? [] : problemsOfName(name, surroundings),
    ...problems,
    ...url === null ? [] : unknownNames(url, '/request/url', requestNames),
    ...url === null || !isEnvKnown ? [] : problemsOfUrl(url, env, surroundings.allowInsecure)
      .map(message => ({ path: '/request/url', message })),
    ...problemsOfHeaders(membersOf(request['headers']), '/request/headers', env),
    ...problemsOfBody(request, '/request/body'),
    ...entry['request'] === undefined ? [] : problemsOfContent(request, entry),
    ...problemsOfMatch(entry['accepted'], '/accepted'),
    ...refused.flatMap((one, index) => problemsOfMatch(one, `/refused/${index}`)),
    ...problemsOfRefused(refused, membersOf(entry['accepted'])),
    ...typeof texts === 'object' && texts !== null && !Array.isArray(texts) ? problemsOfTexts(membersOf(texts)) : [],
    ...entry['receipt'] === undefined ? [] : problemsOfReceipt(membersOf(entry['receipt'])),
  ]
}
