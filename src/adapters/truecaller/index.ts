import { Type } from 'typebox'
import type { Json } from '../../core/vocabulary.ts'
import type { Adapter, AdapterIo, AttemptContext, Provider, Received, Settings } from '../adapter.ts'
import { credential, flag, readCredential, readOrigin, secret, setting } from '../settings.ts'
import { isOneOf, readCallbackKeys } from './callback-keys.ts'
import { provider, type Flow } from './flow.ts'
import { createMissedCall } from './missed-call.ts'
import { createOauth } from './oauth.ts'
import { createPayload } from './payload.ts'
import { createPush } from './push.ts'
import { fetchKeys } from './signing-keys.ts'
import { createWeb } from './web.ts'
import { readCallback, type CallbackMessage } from './wire.ts'

// https://docs.truecaller.com/truecaller-sdk; each method links its own pages
const defaultApiUrl = 'https://api4.truecaller.com'
const defaultProfileUrl = 'https://profile4.truecaller.com'
const defaultProfileHosts = 'profile4.truecaller.com,profile4-noneu.truecaller.com,profile4-eu.truecaller.com'
const defaultOauthUrl = 'https://oauth-account-noneu.truecaller.com'
const defaultOtpUrl = 'https://sdk-otp-verification-noneu.truecaller.com'
const defaultPartnerName = 'Verigate'

const settings = Type.Object({
  TRUECALLER_APP_KEY: credential(
    'App key of the Truecaller developer portal. Turns on push, web, payload and missed call.',
  ),
  TRUECALLER_OAUTH_CLIENT_ID: credential(
    'Client id of the OAuth SDK (public). Turns on `truecaller.oauth`, and the missed call of that SDK.',
  ),
  TRUECALLER_PARTNER_NAME: setting(`Name that the Truecaller dialog shows (${defaultPartnerName}).`),
  TRUECALLER_PACKAGE_NAME: setting(
    'Package name of the Android app with the legacy SDK 2.8, or several separated by commas. A payload must then have '
      + 'been made for one of them (any app).',
  ),
  TRUECALLER_API_URL: setting(`Origin of the push API and of the signing keys (${defaultApiUrl}).`),
  TRUECALLER_PROFILE_URL: setting(
    `Origin from which profiles are read when a callback names none (${defaultProfileUrl}).`,
  ),
  TRUECALLER_PROFILE_HOSTS: setting(
    `Comma-separated hosts that a callback may name for the profile (${defaultProfileHosts}).`,
  ),
  TRUECALLER_OAUTH_URL: setting(`Origin of the OAuth SDK's tokens and users (${defaultOauthUrl}).`),
  TRUECALLER_OTP_URL: setting(
    'Origin that knows the tokens of missed calls. With `ALLOW_INSECURE_PROVIDERS=true` it follows '
      + `\`TRUECALLER_API_URL\` or \`TRUECALLER_OAUTH_URL\`, if one is set (${defaultOtpUrl}).`,
  ),
  TRUECALLER_CALLBACK_KEY: secret(
    'Secret `{key}` of the registered callback URL (22 to 128 URL-safe characters), or several separated by commas '
      + 'while it is replaced. Callbacks without one of them change nothing. Required with `TRUECALLER_APP_KEY`.',
  ),
  TRUECALLER_ALLOW_UNKEYED_CALLBACKS: flag(
    '`true` starts without `TRUECALLER_CALLBACK_KEY` and accepts the callbacks of anybody (false).',
  ),
})

export const truecaller: Provider<typeof settings> = { provider, settings, open }

const readOptional = (name: string, value: string | undefined): string | null =>
  value ? readCredential(name, value) : null

function readSettings (env: Settings, { allowInsecure }: AdapterIo) {
  const origin = (name: string, otherwise: string): string => readOrigin(name, env[name] || otherwise, allowInsecure)
  const apiUrl = origin('TRUECALLER_API_URL', defaultApiUrl)
  const profileUrl = origin('TRUECALLER_PROFILE_URL', defaultProfileUrl)
  const oauthUrl = origin('TRUECALLER_OAUTH_URL', defaultOauthUrl)
  // A test that names its own server sends nothing to Truecaller.
  const testUrl = allowInsecure ? env.TRUECALLER_API_URL || env.TRUECALLER_OAUTH_URL : undefined
  const hosts = env.TRUECALLER_PROFILE_HOSTS || defaultProfileHosts
  return {
    appKey: readOptional('TRUECALLER_APP_KEY', env.TRUECALLER_APP_KEY),
    clientId: readOptional('TRUECALLER_OAUTH_CLIENT_ID', env.TRUECALLER_OAUTH_CLIENT_ID),
    partnerName: env.TRUECALLER_PARTNER_NAME || defaultPartnerName,
    packageNames: readPackageNames('TRUECALLER_PACKAGE_NAME', env.TRUECALLER_PACKAGE_NAME),
    apiUrl,
    oauthUrl,
    otpUrl: origin('TRUECALLER_OTP_URL', testUrl || defaultOtpUrl),
    profileUrl,
    profileHosts: readHosts('TRUECALLER_PROFILE_HOSTS', hosts, allowInsecure).add(new URL(profileUrl).host),
    allowInsecure,
  }
}

function open (env: Settings, io: AdapterIo): Adapter | null {
  if (!env.TRUECALLER_APP_KEY && !env.TRUECALLER_OAUTH_CLIENT_ID) return null
  const options = readSettings(env, io)
  const { flows, probes } = openFlows(options, io)
  const flowOf = ({ method }: Pick<AttemptContext, 'method'>): Flow => {
    const flow = flows.get(method)
    if (flow === undefined) throw new RangeError(`${method} has no flow`)
    return flow
  }
  return {
    provider,
    methods: Object.fromEntries([...flows].map(([name, { method }]) => [name, method])),
    probes,
    links: Object.fromEntries([...flows].flatMap(([name, { link }]) => link === undefined ? [] : [[name, link]])),
    canServe: question => flowOf(question).canServe?.(question) ?? null,
    start: async attempt => flowOf(attempt).start(attempt),
    singleUse: (attempt, evidence) => flowOf(attempt).singleUse(evidence),
    resolve: (attempt, evidence, call) => flowOf(attempt).resolve(attempt, evidence, call),
    // Only push and web have callbacks.
    ...options.appKey === null ? {} : createReceiver(readCallbackKeys(env, io.allowInsecure)),
  }
}

/** Each credential enables the methods that work with it. The two are not interchangeable at Truecaller. */
function openFlows (
  options: ReturnType<typeof readSettings>, io: AdapterIo,
): { flows: ReadonlyMap<string, Flow>, probes: NonNullable<Adapter['probes']> } {
  const { appKey, clientId, apiUrl, oauthUrl, otpUrl, profileHosts } = options
  const http = io.openHttp(provider, [...[apiUrl, oauthUrl, otpUrl].map(url => new URL(url).host), ...profileHosts])
  const parts = { http, now: io.now }
  const flows = new Map<string, Flow>()
  if (appKey !== null) {
    flows.set('truecaller.push', createPush({ ...options, appKey }, parts))
    flows.set('truecaller.web', createWeb({ ...options, appKey }, parts))
    flows.set('truecaller.payload', createPayload({ ...options, appKey }, parts))
  }
  if (clientId !== null) flows.set('truecaller.oauth', createOauth({ clientId, oauthUrl }, parts))
  flows.set('truecaller.missed_call', createMissedCall(options, parts))
  return { flows, probes: probesOf(flows, () => fetchKeys({ ...parts, apiUrl })) }
}

/** Truecaller has not issued it: the answer that it is unknown shows that the host and the key are right. */
const unissued = 'verigate-check'

function probesOf (flows: ReadonlyMap<string, Flow>, readKeys: () => Promise<unknown>): NonNullable<Adapter['probes']> {
  const probe = (method: string, evidence: Json) => (attempt: AttemptContext) =>
    flows.get(`truecaller.${method}`)?.resolve(attempt, evidence, { repeated: false }) ?? Promise.resolve()
  return {
    ...flows.has('truecaller.push')
      ? { 'signing keys': readKeys, 'profile host': probe('web', { accessToken: unissued }) }
      : {},
    ...flows.has('truecaller.oauth')
      ? { 'OAuth host': probe('oauth', { authorizationCode: unissued, codeVerifier: unissued.repeat(4) }) }
      : {},
    'credentials of missed calls': probe('missed_call', { token: unissued }),
  }
}

function createReceiver (callbackKeys: readonly string[]): Pick<Adapter, 'receive' | 'acceptsAnySender'> {
  const acceptsAnySender = callbackKeys.length === 0
  return {
    acceptsAnySender,
    receive: ({ key, body }) =>
      acceptsAnySender || isOneOf(key ?? '', callbackKeys) ? receive(body) : { type: 'refused', cause: 'key_missing' },
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

function readHosts (name: string, text: string, allowInsecure: boolean): Set<string> {
  const hosts = text.split(',').map(host => host.trim())
  for (const host of hosts) {
    const url = URL.parse(`https://${host}/`)
    const isHost = url !== null && url.host === host && (url.port === '' || allowInsecure)
    if (!isHost) throw new Error(`${name} must be host names, separated by commas`)
  }
  return new Set(hosts)
}

function readPackageNames (name: string, text: string | undefined): string[] {
  const names = text ? text.split(',').map(packageName => packageName.trim()) : []
  if (names.every(packageName => /^[A-Za-z][\w.-]{0,254}$/.test(packageName))) return names
  throw new Error(`${name} must be a package name such as com.example.app, or several separated by commas`)
}
