import { timingSafeEqual } from 'node:crypto'
import { Type } from 'typebox'
import { ProviderError } from '../../core/errors.ts'
import { digitsOf } from '../../phone.ts'
import type { Adapter, AdapterIo, AttemptContext, Method, Provider, Started } from '../adapter.ts'
import { readOrigin, setting } from '../settings.ts'
import { isAccepted, isProfileUrl, readCallback, readGrant, readProfile, readRefusal } from './wire.ts'

// https://docs.truecaller.com/truecaller-sdk/mobile-websites, https://github.com/truecaller/web-login (push, 2017)
const provider = 'truecaller'
const defaultApiUrl = 'https://api4.truecaller.com'
const defaultProfileUrl = 'https://profile4.truecaller.com'
const defaultProfileHosts = 'profile4.truecaller.com,profile4-noneu.truecaller.com'
const defaultPartnerName = 'Verigate'
const deepLink = 'truecallersdk://truesdk/web_verify'
const languages = ['en', 'hi', 'mr', 'te', 'ml', 'ur', 'pa', 'ta', 'bn', 'kn', 'sw', 'ar']

const settings = Type.Object({
  TRUECALLER_APP_KEY: setting('App key of the Truecaller developer portal. Turns the provider on.'),
  TRUECALLER_PARTNER_NAME: setting(`Name that the Truecaller dialog shows (${defaultPartnerName}).`),
  TRUECALLER_API_URL: setting(`Origin of the push API (${defaultApiUrl}).`),
  TRUECALLER_PROFILE_URL: setting(`Origin profiles are read from when a callback names none (${defaultProfileUrl}).`),
  TRUECALLER_PROFILE_HOSTS: setting(
    `Comma-separated hosts that a callback may name for the profile (${defaultProfileHosts}).`,
  ),
  TRUECALLER_OAUTH_CLIENT_ID: setting('Client id of the Truecaller OAuth SDK; kept for `truecaller.oauth`.'),
  TRUECALLER_OAUTH_URL: setting('Origin of the Truecaller OAuth API; kept for `truecaller.oauth`.'),
  TRUECALLER_CALLBACK_KEY: setting(
    'Secret `{key}` of the registered callback URL (8 to 128 URL-safe characters); callbacks without it then do nothing.',
  ),
})

const link = Type.String({ pattern: '^https://[^\\s]+$', maxLength: 1024 })
const color = Type.String({ pattern: '^#[0-9a-fA-F]{6}$' })
/** What the deep link documents as its look, in its order. */
const look = Type.Object({
  lang: Type.Optional(Type.Enum(languages)),
  privacyUrl: Type.Optional(link),
  termsUrl: Type.Optional(link),
  loginPrefix: Type.Optional(Type.Enum([
    'getstarted', 'continue', 'placeorder', 'completepurchase', 'checkout', 'completebooking', 'proceedwithbooking', 'continuewith',
    'getdetails', 'viewmore', 'continuereading', 'proceed', 'newupdates', 'getupdates', 'subscribe', 'subscribeforupdates',
  ])),
  loginSuffix: Type.Optional(Type.Enum(['login', 'signup', 'loginsignup', 'register', 'signin', 'verifymobile'])),
  ctaPrefix: Type.Optional(Type.Enum(['use', 'continuewith', 'proceedwith'])),
  ctaColor: Type.Optional(color),
  ctaTextColor: Type.Optional(color),
  btnShape: Type.Optional(Type.Enum(['round', 'rect'])),
  skipOption: Type.Optional(Type.Enum(['useanothernum', 'useanothermethod', 'manualdetails', 'later'])),
  ttl: Type.Optional(
    Type.Integer({ minimum: 1, maximum: 3_600_000, description: 'Milliseconds; less than 8000 counts as 8000.' }),
  ),
}, { additionalProperties: false })
const defaultLook = { loginPrefix: 'continue', loginSuffix: 'verifymobile', ctaPrefix: 'continuewith' }

const push: Method = {
  needsPhoneNumber: true,
  evidence: [],
  nextActions: ['approveOnDevice'],
  timeoutMs: 120_000,
  options: Type.Object({}, { additionalProperties: false }),
  isRepeatable: false,
  defaultRank: 2,
  // The documents ask to lock the behaviour for five minutes.
  oncePerNumberMs: 300_000,
}
const web: Method = {
  needsPhoneNumber: false,
  evidence: [],
  nextActions: ['openDeepLink'],
  timeoutMs: 120_000,
  options: look,
  isRepeatable: true,
  startsLocally: true,
  defaultRank: 4,
}

const writeQuery = (pairs: (readonly [name: string, value: unknown])[]): string =>
  pairs.map(([name, value]) => `${name}=${encodeURIComponent(String(value))}`).join('&')

function writeLook (options: Record<string, unknown>): string {
  const chosen: Record<string, unknown> = { ...defaultLook, ...options }
  return writeQuery(
    Object.keys(look.properties).filter(name => chosen[name] !== undefined).map(name => [name, chosen[name]] as const),
  )
}

export const truecaller: Provider<typeof settings> = { provider, settings, open }

function open (env: Readonly<Record<string, string | undefined>>, io: AdapterIo): Adapter | null {
  const appKey = env.TRUECALLER_APP_KEY ?? ''
  if (appKey === '') return null
  if (!/^[\x21-\x7e]+$/.test(appKey)) throw new Error('TRUECALLER_APP_KEY must be visible ASCII characters')
  const callbackKey = env.TRUECALLER_CALLBACK_KEY || null
  if (callbackKey !== null && !/^[\w-]{8,128}$/.test(callbackKey)) {
    throw new Error('TRUECALLER_CALLBACK_KEY must be 8 to 128 URL-safe characters')
  }
  const partnerName = env.TRUECALLER_PARTNER_NAME || defaultPartnerName
  const apiUrl = readOrigin('TRUECALLER_API_URL', env.TRUECALLER_API_URL || defaultApiUrl, io.allowInsecure)
  const profileUrl = readOrigin(
    'TRUECALLER_PROFILE_URL', env.TRUECALLER_PROFILE_URL || defaultProfileUrl, io.allowInsecure,
  )
  const profileHosts = readHosts(
    'TRUECALLER_PROFILE_HOSTS', env.TRUECALLER_PROFILE_HOSTS || defaultProfileHosts, io.allowInsecure,
  )
  profileHosts.add(new URL(profileUrl).host)
  const http = io.openHttp(provider, [new URL(apiUrl).host, ...profileHosts])

  async function startPush (attempt: AttemptContext): Promise<Started> {
    if (attempt.phoneNumber === null) throw new Error('truecaller.push needs a phone number')
    const call = 'push request'
    const { status, body } = await http({
      method: 'POST',
      url: `${apiUrl}/v1/apps/requests`,
      call,
      headers: { appKey, 'content-type': 'application/json', 'cache-control': 'no-cache' },
      body: JSON.stringify({ phoneNumber: Number(digitsOf(attempt.phoneNumber)), state: attempt.callbackKey }),
    })
    if (status >= 400) throw new ProviderError(provider, call, readRefusal(status, body), { status })
    if (!isAccepted(body)) throw new ProviderError(provider, call, 'provider_bad_response', { status })
    return { state: null, action: { type: 'approveOnDevice', app: 'truecaller' } }
  }

  const partner = writeQuery([['partnerKey', appKey], ['partnerName', partnerName]])
  const usualLooks = new Map<string, string>()

  function startWeb ({ callbackKey: requestNonce, locale, options }: AttemptContext): Started {
    const language = locale?.split(/[-_]/)[0]?.toLowerCase() ?? ''
    const lang = languages.includes(language) ? language : 'en'
    // Nearly everybody leaves the look as it is.
    const isUsual = Object.keys(options).length === 0
    const shown = isUsual ? usualLooks.get(lang) ?? writeLook({ lang }) : writeLook({ lang, ...options })
    if (isUsual) usualLooks.set(lang, shown)
    const url = `${deepLink}?type=btmsheet&requestNonce=${requestNonce}&${partner}&${shown}`
    return { state: null, action: { type: 'openDeepLink', url, platforms: ['android'], notOpenedAfterMs: 600 } }
  }

  return {
    provider,
    methods: { 'truecaller.push': push, 'truecaller.web': web },

    async start (attempt) {
      return attempt.method === 'truecaller.push' ? startPush(attempt) : startWeb(attempt)
    },

    receive ({ key: pathKey, body }) {
      if (callbackKey !== null && !isSame(pathKey ?? '', callbackKey)) return { type: 'refused', cause: 'key_missing' }
      const message = readCallback(body)
      const key = message?.keys.find(id => /^[\w-]{48}$/.test(id))
      if (message === null || key === undefined) return null
      switch (message.kind) {
        case 'granted': return { key, type: 'evidence', evidence: message.grant }
        case 'denied': return { key, type: 'denied', reason: message.reason }
        case 'opened': return { key, type: 'opened' }
        default: return { key, type: 'noted' }
      }
    },

    /** Nobody says whether a token is bound to us, or to the user who is asked. */
    singleUse: (_attempt, evidence) => readGrant(evidence)?.accessToken ?? null,

    async resolve (_attempt, evidence) {
      const grant = readGrant(evidence)
      if (grant === null) return { verdict: 'denied', reason: 'evidence_invalid' }
      const url = grant.endpoint ?? `${profileUrl}/v1/default`
      if (!isProfileUrl(url, profileHosts, io.allowInsecure)) return { verdict: 'denied', reason: 'evidence_invalid' }
      const call = 'profile'
      const headers = { authorization: `Bearer ${grant.accessToken}`, 'cache-control': 'no-cache' }
      const { status, body } = await http({ method: 'GET', url, call, headers })
      if (status === 401) return { verdict: 'denied', reason: 'evidence_expired' }
      const read = status < 300 ? readProfile(body) : null
      if (read === null) throw new ProviderError(provider, call, 'provider_bad_response', { status })
      return { verdict: 'proven', ...read }
    },
  }
}

function isSame (given: string, expected: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(expected)]
  return a.length === b.length && timingSafeEqual(a, b)
}

function readHosts (name: string, text: string, allowInsecure: boolean): Set<string> {
  const hosts = text.split(',').map(host => host.trim())
  for (const host of hosts) {
    const url = URL.parse(`https://${host}/`)
    const isHost = url !== null && url.host === host && (url.port === '' || allowInsecure)
    if (!isHost) throw new Error(`${name} must be host names with commas between`)
  }
  return new Set(hosts)
}
