import { Type } from 'typebox'
import { digitsOf } from '../../phone.ts'
import {
  refusal, reportedStatus, type Adapter, type AdapterIo, type AttemptContext, type Http, type Method, type Outcome,
  type Provider, type Received, type Settings, type Started,
} from '../adapter.ts'
import { credential, flag, readCredential, readOrigin, secret, setting } from '../settings.ts'
import { ProviderError } from '../../core/errors.ts'
import type { Json } from '../../core/vocabulary.ts'
import { isOneOf, readCallbackKeys } from './callback-keys.ts'
import {
  isProfileUrl, readCallback, readGrant, readProfile, readPushAnswer, statusOf, type CallbackMessage,
} from './wire.ts'

// https://docs.truecaller.com/truecaller-sdk/mobile-websites, https://github.com/truecaller/web-login (push, 2017)
const provider = 'truecaller'
const defaultApiUrl = 'https://api4.truecaller.com'
const defaultProfileUrl = 'https://profile4.truecaller.com'
const defaultProfileHosts = 'profile4.truecaller.com,profile4-noneu.truecaller.com'
const defaultPartnerName = 'Verigate'
const deepLink = 'truecallersdk://truesdk/web_verify'
const languages = ['en', 'hi', 'mr', 'te', 'ml', 'ur', 'pa', 'ta', 'bn', 'kn', 'sw', 'ar']

const settings = Type.Object({
  TRUECALLER_APP_KEY: credential('App key of the Truecaller developer portal. Turns the provider on.'),
  TRUECALLER_PARTNER_NAME: setting(`Name that the Truecaller dialog shows (${defaultPartnerName}).`),
  TRUECALLER_API_URL: setting(`Origin of the push API (${defaultApiUrl}).`),
  TRUECALLER_PROFILE_URL: setting(
    `Origin from which profiles are read when a callback names none (${defaultProfileUrl}).`,
  ),
  TRUECALLER_PROFILE_HOSTS: setting(
    `Comma-separated hosts that a callback may name for the profile (${defaultProfileHosts}).`,
  ),
  TRUECALLER_CALLBACK_KEY: secret(
    'Secret `{key}` of the registered callback URL (22 to 128 URL-safe characters), or several separated by commas '
      + 'while it is replaced. Callbacks without one of them change nothing. Required with `TRUECALLER_APP_KEY`.',
  ),
  TRUECALLER_ALLOW_UNKEYED_CALLBACKS: flag(
    '`true` starts without `TRUECALLER_CALLBACK_KEY` and accepts the callbacks of anybody (false).',
  ),
})

const link = Type.String({ pattern: '^https://[^\\s]+$', maxLength: 1024 })
const color = Type.String({ pattern: '^#[0-9a-fA-F]{6}$' })
/** The documented appearance parameters of the deep link, in their order. */
const look = Type.Object({
  lang: Type.Optional(Type.Enum(languages)),
  privacyUrl: Type.Optional(link),
  termsUrl: Type.Optional(link),
  loginPrefix: Type.Optional(Type.Enum([
    'getstarted', 'continue', 'placeorder', 'completepurchase', 'checkout', 'completebooking', 'proceedwithbooking',
    'continuewith',
    'getdetails', 'viewmore', 'continuereading', 'proceed', 'newupdates', 'getupdates', 'subscribe',
    'subscribeforupdates',
  ])),
  loginSuffix: Type.Optional(Type.Enum(['login', 'signup', 'loginsignup', 'register', 'signin', 'verifymobile'])),
  ctaPrefix: Type.Optional(Type.Enum(['use', 'continuewith', 'proceedwith'])),
  ctaColor: Type.Optional(color),
  ctaTextColor: Type.Optional(color),
  btnShape: Type.Optional(Type.Enum(['round', 'rect'])),
  skipOption: Type.Optional(Type.Enum(['useanothernum', 'useanothermethod', 'manualdetails', 'later'])),
  ttl: Type.Optional(
    Type.Integer({ minimum: 1, maximum: 3_600_000, description: 'Milliseconds. Less than 8000 counts as 8000.' }),
  ),
}, { additionalProperties: false })
const defaultLook = { loginPrefix: 'continue', loginSuffix: 'verifymobile', ctaPrefix: 'continuewith' }

/**
 * The dialog does not say for which web page the user approves, so an attacker can have a victim approve the attacker's
 * verification.
 */
const assurance = { possession: 'account', binding: 'none', restricted: false } as const

const push: Method = {
  needsPhoneNumber: true,
  evidence: [],
  nextActions: ['approveOnDevice'],
  assurance,
  timeoutMs: 120_000,
  options: Type.Object({}, { additionalProperties: false }),
  isRepeatable: false,
  sendsMessage: true,
  defaultRank: 2,
  // The documentation demands five minutes between two requests for a user.
  oncePerNumberMs: 300_000,
  maxPerNumberPerDay: 5,
  // The callback has our `state` if Truecaller returns it, and the id of the request in any case.
  isFoundByProviderId: true,
}
const web: Method = {
  needsPhoneNumber: false,
  evidence: [],
  nextActions: ['openDeepLink'],
  assurance,
  timeoutMs: 120_000,
  options: look,
  isRepeatable: true,
  sendsMessage: false,
  startsLocally: true,
  defaultRank: 4,
}

export const truecaller: Provider<typeof settings> = { provider, settings, open }

type Options = ReturnType<typeof readSettings>

function readSettings (env: Settings, { allowInsecure }: AdapterIo) {
  const appKey = readCredential('TRUECALLER_APP_KEY', env.TRUECALLER_APP_KEY)
  const profileUrl = readOrigin(
    'TRUECALLER_PROFILE_URL', env.TRUECALLER_PROFILE_URL || defaultProfileUrl, allowInsecure,
  )
  const hosts = env.TRUECALLER_PROFILE_HOSTS || defaultProfileHosts
  return {
    appKey,
    callbackKeys: readCallbackKeys(env, allowInsecure),
    partnerName: env.TRUECALLER_PARTNER_NAME || defaultPartnerName,
    apiUrl: readOrigin('TRUECALLER_API_URL', env.TRUECALLER_API_URL || defaultApiUrl, allowInsecure),
    profileUrl,
    profileHosts: readHosts('TRUECALLER_PROFILE_HOSTS', hosts, allowInsecure).add(new URL(profileUrl).host),
  }
}

function open (env: Settings, io: AdapterIo): Adapter | null {
  if (!env.TRUECALLER_APP_KEY) return null
  const options = readSettings(env, io)
  const http = io.openHttp(provider, [new URL(options.apiUrl).host, ...options.profileHosts])
  const startPush = createPush(options, http)
  const startWeb = createWeb(options)
  const fetchProfile = createProfile(options, http, io.allowInsecure)
  return {
    provider,
    methods: { 'truecaller.push': push, 'truecaller.web': web },
    start: async attempt => attempt.method === 'truecaller.push' ? startPush(attempt) : startWeb(attempt),
    acceptsAnySender: options.callbackKeys.length === 0,
    receive: ({ key, body }) => options.callbackKeys.length === 0 || isOneOf(key ?? '', options.callbackKeys)
      ? receive(body)
      : { type: 'refused', cause: 'key_missing' },
    /** The documentation does not say whether a token is bound to this partner or to the user of the attempt. */
    singleUse: (_attempt, evidence) => readGrant(evidence)?.accessToken ?? null,
    resolve: fetchProfile,
  }
}

function createPush ({ appKey, apiUrl }: Options, http: Http) {
  return async ({ phoneNumber, callbackKey }: AttemptContext): Promise<Started> => {
    if (phoneNumber === null) throw new Error('truecaller.push needs a phone number')
    const call = 'push request'
    const { status, body } = await http({
      method: 'POST',
      url: `${apiUrl}/v1/apps/requests`,
      call,
      headers: { appKey, 'content-type': 'application/json', 'cache-control': 'no-cache' },
      body: JSON.stringify({ phoneNumber: Number(digitsOf(phoneNumber)), state: callbackKey }),
    })
    const answer = readPushAnswer(status, body)
    if (typeof answer === 'string') throw refusal(provider, call, answer, status)
    return {
      state: null, action: { type: 'approveOnDevice', app: 'truecaller' }, id: answer.requestId, isIdOptional: true,
    }
  }
}

function createWeb ({ appKey, partnerName }: Options) {
  const partner = writeQuery([['partnerKey', appKey], ['partnerName', partnerName]])
  const defaultLooks = new Map<string, string>()

  return ({ callbackKey: requestNonce, locale, options }: AttemptContext): Started => {
    const language = locale?.split(/[-_]/)[0]?.toLowerCase() ?? ''
    const lang = languages.includes(language) ? language : 'en'
    // Few apps set options, so the default appearance of each language is kept.
    const isDefault = Object.keys(options).length === 0
    const appearance = isDefault ? defaultLooks.get(lang) ?? writeLook({ lang }) : writeLook({ lang, ...options })
    if (isDefault) defaultLooks.set(lang, appearance)
    const url = `${deepLink}?type=btmsheet&requestNonce=${requestNonce}&${partner}&${appearance}`
    return { state: null, action: { type: 'openDeepLink', url, platforms: ['android'], notOpenedAfterMs: 600 } }
  }
}

/** What a profile host answers to a token that it does not accept, beside 401 for one that has expired. */
const invalidToken = [400, 403, 404, 410, 422]

function createProfile ({ profileUrl, profileHosts }: Options, http: Http, allowInsecure: boolean) {
  return async ({ phoneNumber }: AttemptContext, evidence: Json): Promise<Outcome> => {
    const grant = readGrant(evidence)
    const url = grant?.endpoint ?? `${profileUrl}/v1/default`
    if (grant === null || !isProfileUrl(url, profileHosts, allowInsecure)) {
      return { verdict: 'denied', reason: 'evidence_invalid' }
    }
    const call = 'profile'
    const headers = { authorization: `Bearer ${grant.accessToken}`, 'cache-control': 'no-cache' }
    const { status, body } = await http({ method: 'GET', url, call, headers })
    const meant = statusOf(status, body)
    if (meant === 401) return { verdict: 'denied', reason: 'evidence_expired' }
    if (invalidToken.includes(meant)) return { verdict: 'denied', reason: 'evidence_invalid' }
    if (meant === 429) throw refusal(provider, call, 'rate_limited_by_provider', status)
    if (meant >= 500) throw new ProviderError(provider, call, 'provider_error', { retryable: true, status })
    const profile = meant < 300 ? readProfile(body, phoneNumber) : null
    if (profile === null) throw refusal(provider, call, 'provider_bad_response', reportedStatus({ status, body }))
    return { verdict: 'proven', ...profile }
  }
}

function receive (body: unknown): Received | null {
  const message = readCallback(body)
  const owner = message === null ? null : ownerOf(message)
  if (message === null || owner === null) return null
  switch (message.kind) {
    case 'granted': return { ...owner, type: 'evidence', evidence: message.grant }
    case 'denied': return { ...owner, type: 'denied', reason: message.reason }
    case 'opened': return { ...owner, type: 'opened' }
    case 'unknown': return { ...owner, type: 'noted' }
    default: return message satisfies never
  }
}

/** By our key, which is the `state` of a push and the nonce of a deep link; else by the id of the push request. */
function ownerOf ({ state, requestId }: CallbackMessage): { key: string } | { providerId: string } | null {
  const key = [state, requestId].find(id => id !== null && /^[\w-]{48}$/.test(id))
  if (key !== undefined && key !== null) return { key }
  return requestId === null ? null : { providerId: requestId }
}

const writeQuery = (pairs: (readonly [name: string, value: unknown])[]): string =>
  pairs.map(([name, value]) => `${name}=${encodeURIComponent(String(value))}`).join('&')

function writeLook (options: Record<string, unknown>): string {
  const chosen: Record<string, unknown> = { ...defaultLook, ...options }
  return writeQuery(
    Object.keys(look.properties).filter(name => chosen[name] !== undefined).map(name => [name, chosen[name]] as const),
  )
}

function readHosts (name: string, text: string, allowInsecure: boolean): Set<string> {
  const hosts = text.split(',').map(host => host.trim())
  for (const host of hosts) {
    const url = URL.parse(`https://${host}/`)
    const isHost = url !== null && url.host === host && (url.port === '' || allowInsecure)
    if (!isHost) throw new Error(`${name} must be host names, separated by commas`)
  }
  return new Set(hosts)
}
