import { Type } from 'typebox'
import type { LinkContext } from '../adapter.ts'
import type { Flow, FlowParts } from './flow.ts'
import { bindingNone, createResolveGrant, type ProfileHosts } from './grant.ts'
import { readGrant } from './wire.ts'

// https://docs.truecaller.com/truecaller-sdk/mobile-websites

const deepLink = 'truecallersdk://truesdk/web_verify'
const languages = ['en', 'hi', 'mr', 'te', 'ml', 'ur', 'pa', 'ta', 'bn', 'kn', 'sw', 'ar']

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

export type WebOptions = ProfileHosts & { appKey: string, partnerName: string }

export function createWeb ({ appKey, partnerName, ...hosts }: WebOptions, parts: FlowParts): Flow {
  const partner = writeQuery([['partnerKey', appKey], ['partnerName', partnerName]])
  const defaultLooks = new Map<string, string>()

  function link ({ callbackKey: requestNonce, locale, options }: LinkContext): string {
    const language = locale?.split(/[-_]/)[0]?.toLowerCase() ?? ''
    const lang = languages.includes(language) ? language : 'en'
    // Few apps set options, so the default appearance of each language is kept.
    const isDefault = Object.keys(options).length === 0
    const appearance = isDefault ? defaultLooks.get(lang) ?? writeLook({ lang }) : writeLook({ lang, ...options })
    if (isDefault) defaultLooks.set(lang, appearance)
    return `${deepLink}?type=btmsheet&requestNonce=${requestNonce}&${partner}&${appearance}`
  }

  return {
    method: {
      needsPhoneNumber: false,
      evidence: [],
      nextActions: ['openDeepLink'],
      userStep: 'opens a deep link and approves in the Truecaller app',
      assurance: bindingNone,
      timeoutMs: 120_000,
      options: look,
      isRepeatable: true,
      sendsMessage: false,
      startsLocally: true,
      defaultRank: 4,
    },

    link,
    start: attempt => ({
      state: null,
      action: { type: 'openDeepLink', url: link(attempt), platforms: ['android'], notOpenedAfterMs: 600 },
    }),

    singleUse: evidence => readGrant(evidence)?.accessToken ?? null,
    resolve: createResolveGrant(hosts, parts),
  }
}

const writeQuery = (pairs: (readonly [name: string, value: unknown])[]): string =>
  pairs.map(([name, value]) => `${name}=${encodeURIComponent(String(value))}`).join('&')

function writeLook (options: Record<string, unknown>): string {
  const chosen: Record<string, unknown> = { ...defaultLook, ...options }
  return writeQuery(
    Object.keys(look.properties).filter(name => chosen[name] !== undefined).map(name => [name, chosen[name]] as const),
  )
}
