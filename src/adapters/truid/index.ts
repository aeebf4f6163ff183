import { Type } from 'typebox'
import { IsIPv4, IsIPv6 } from 'typebox/format'
import { ProviderError } from '../../core/errors.ts'
import { digitsOf } from '../../phone.ts'
import type { Reason } from '../../core/reasons.ts'
import type {
  Adapter, AdapterIo, AttemptContext, Method, Outcome, Provider, ProviderAnswer, ProviderRequest,
} from '../adapter.ts'
import { readOrigin, setting } from '../settings.ts'
import { findKey, isSignedBy, readKeys, readSignature, type Key, type KeySet } from './signature.ts'
import {
  isCallback, judgeCheck, readCheckRefusal, readCode, readCreated, readCreateRefusal, readExchangeRefusal,
  readReturnError, readState, readToken, readTokenRefusal, type Check,
} from './wire.ts'
import type { CallbackRefusal } from '../../core/vocabulary.ts'

// https://developer.tru.id/docs/phone-check/integration (v0.2), …/integration-v0_1
const provider = 'truid'
const residencies = ['eu', 'in', 'us']
const versions = ['v0.2', 'v0.1'] as const
const pendingMs = 1000
/** A finished v0.2 check waits for the user's code: nothing that asking again would hasten. */
const awaitingCodeMs = 5000
/** Signing keys that were withdrawn are believed no longer than this. */
const keysMs = 600_000
/** Anybody can name a key that does not exist: that makes us ask for new ones no more often. */
const keysCoolDownMs = 30_000

const settings = Type.Object({
  TRUID_CLIENT_ID: setting('Client id of the tru.ID project. Turns the provider on.'),
  TRUID_CLIENT_SECRET: setting('Client secret of the tru.ID project.'),
  TRUID_API_URL: setting('Origin of the tru.ID API (from TRUID_DATA_RESIDENCY).'),
  TRUID_DATA_RESIDENCY: setting('`eu` (default), `in` or `us`.'),
  TRUID_API_VERSION: setting('PhoneCheck version: `v0.2` (default, with a one-time code) or `v0.1`.'),
})

const phoneCheck: Method = {
  needsPhoneNumber: true,
  evidence: ['code', 'none'],
  nextActions: ['openUrlOnCellular'],
  timeoutMs: 60_000,
  options: Type.Object({ version: Type.Optional(Type.Enum(versions)) }, { additionalProperties: false }),
  isRepeatable: true,
  defaultRank: 1,
}

export const truid: Provider<typeof settings> = { provider, settings, open }

function open (env: Readonly<Record<string, string | undefined>>, io: AdapterIo): Adapter | null {
  const { TRUID_CLIENT_ID: clientId, TRUID_CLIENT_SECRET: clientSecret } = env
  if (!clientId && !clientSecret) return null
  if (!clientId) throw new Error('TRUID_CLIENT_ID is missing')
  if (!clientSecret) throw new Error('TRUID_CLIENT_SECRET is missing')
  const residency = env.TRUID_DATA_RESIDENCY || 'eu'
  if (!residencies.includes(residency)) throw new Error('TRUID_DATA_RESIDENCY must be eu, in or us')
  const origin = readOrigin('TRUID_API_URL', env.TRUID_API_URL || `https://${residency}.api.tru.id`, io.allowInsecure)
  const defaultVersion = versions.find(version => version === (env.TRUID_API_VERSION || 'v0.2'))
  if (defaultVersion === undefined) throw new Error('TRUID_API_VERSION must be v0.2 or v0.1')
  const credentials = `Basic ${Buffer.from(`${clientId}:${clientSecret}`).toString('base64')}`
  const http = io.openHttp(provider, [new URL(origin).host])

  let cached: { token: string, renewAt: number } | null = null
  let fetching: Promise<string> | null = null

  async function fetchToken (): Promise<string> {
    const call = 'access token'
    const { status, body } = await http({
      method: 'POST',
      url: `${origin}/oauth2/v1/token`,
      call,
      headers: { authorization: credentials, 'content-type': 'application/x-www-form-urlencoded' },
      body: 'grant_type=client_credentials&scope=phone_check',
    })
    if (status >= 400) throw new ProviderError(provider, call, readTokenRefusal(status, body), { status })
    const read = readToken(body)
    if (read === null) throw new ProviderError(provider, call, 'provider_bad_response', { status })
    cached = { token: read.token, renewAt: io.now() + (read.expiresIn - 60) * 1000 }
    return read.token
  }

  /** One fetch at a time, whoever waits for it. */
  async function getToken (): Promise<string> {
    if (cached !== null && io.now() < cached.renewAt) return cached.token
    fetching ??= fetchToken().finally(() => { fetching = null })
    return fetching
  }

  /** A token that the API refuses is forgotten, and the call made once more with a fresh one. */
  async function ask (request: ProviderRequest): Promise<ProviderAnswer> {
    for (const isLastTry of [false, true]) {
      const token = await getToken()
      const answer = await http({ ...request, headers: { ...request.headers, authorization: `Bearer ${token}` } })
      if (answer.status !== 401) return answer
      if (cached?.token === token) cached = null
      if (isLastTry) break
    }
    throw new ProviderError(provider, request.call, 'provider_misconfigured', { status: 401 })
  }

  let keys: { set: KeySet, askedAt: number } | null = null
  let keysAskedAt = -Infinity
  let askingForKeys = Promise.resolve()

  /** Always from the origin that is configured. What we have is kept when nothing better comes. */
  async function askForKeys (): Promise<void> {
    const askedAt = keysAskedAt = io.now()
    try {
      const { status, body } = await http(
        { method: 'GET', url: `${origin}/.well-known/jwks.json`, call: 'signing keys' },
      )
      const set = status < 300 ? readKeys(body) : null
      if (set !== null) keys = { set, askedAt }
    } catch (error) {
      if (!(error instanceof ProviderError)) throw error
    }
  }

  /** Whoever asks while others do waits with them. */
  async function getKey (keyId: string): Promise<Key | CallbackRefusal> {
    const known = await findKey(keys?.set, keyId)
    if (known !== null && keys !== null && io.now() < keys.askedAt + keysMs) return known
    if (io.now() >= keysAskedAt + keysCoolDownMs) askingForKeys = askForKeys()
    await askingForKeys
    return await findKey(keys?.set, keyId) ?? (keys?.askedAt === keysAskedAt ? 'key_unknown' : 'keys_unavailable')
  }

  async function readCheck ({ checkId, self }: Check): Promise<'match' | 'pending' | Reason> {
    const { status, body } = await ask({ method: 'GET', url: self, call: 'read check' })
    return status < 300 ? judgeCheck(body, checkId) : readCheckRefusal(status, body)
  }

  /**
   * A code that is refused may have been used up by a try whose answer we never saw. The check cannot tell: whoever
   * opened its URL completes it,
   * also without the code. So the proof is lost, and the next method has to bring one.
   */
  async function exchangeCode (check: Check, code: string): Promise<'match' | 'pending' | Reason> {
    const { status, body } = await ask({
      method: 'PATCH',
      url: check.self,
      call: 'exchange code',
      headers: { 'content-type': 'application/json-patch+json' },
      body: JSON.stringify([{ op: 'add', path: '/code', value: code }]),
    })
    return status < 300 ? judgeCheck(body, check.checkId) : readExchangeRefusal(status, body)
  }

  return {
    provider,
    methods: { 'truid.phone_check': phoneCheck },

    async start (attempt) {
      if (attempt.phoneNumber === null) throw new Error('truid.phone_check needs a phone number')
      const call = 'create check'
      const version = versions.find(known => known === attempt.options.version) ?? defaultVersion
      const { ip } = attempt.device
      const { status, body } = await ask({
        method: 'POST',
        url: `${origin}/phone_check/${version}/checks`,
        call,
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({
          phone_number: digitsOf(attempt.phoneNumber),
          reference_id: attempt.id,
          callback_url: attempt.callbackUrl,
          ...(ip !== undefined && (IsIPv4(ip) || IsIPv6(ip)) ? { phone_ip: ip } : {}),
          // Without it the chain ends in JSON, which is what native SDKs need.
          ...(version === 'v0.2' && attempt.redirectUrl !== null ? { redirect_url: attempt.redirectUrl } : {}),
        }),
      })
      if (status >= 400) throw new ProviderError(provider, call, readCreateRefusal(status, body), { status })
      const check = readCreated(body, origin)
      if (check === null) throw new ProviderError(provider, call, 'provider_bad_response', { status })
      const { checkId, self, checkUrl } = check
      const finish = version === 'v0.2' ? 'code' : 'none'
      return {
        id: checkId, state: { checkId, self, version }, action: { type: 'openUrlOnCellular', url: checkUrl, finish },
      }
    },

    async receive (callback) {
      const signed = readSignature(callback, io.now())
      if (typeof signed === 'string') return { type: 'refused', cause: signed }
      const signer = await getKey(signed.keyId)
      if (typeof signer === 'string') return { type: 'refused', cause: signer }
      if (!await isSignedBy(signer, signed)) return { type: 'refused', cause: 'signature_invalid' }
      const { key, body } = callback
      if (key === null || !/^[\w-]{48}$/.test(key) || !isCallback(body)) return null
      return { key, type: 'evidence', evidence: { callback: true } }
    },

    readReturn (attempt, query) {
      const check = readState(attempt.state)
      if (check === null || query.check_id !== check.checkId) return null
      const code = readCode(query)
      if (typeof code === 'string') return { code }
      return query.error === undefined ? null : { error: readReturnError(query.error) }
    },

    /** What tru.ID says to a code of another check is not documented. In v0.1 a code is not looked at. */
    singleUse: ({ state }, evidence) => readState(state)?.version === 'v0.2' ? readCode(evidence) ?? null : null,

    async resolve (attempt, evidence) {
      const check = readState(attempt.state)
      // The callback can come before the answer to our create.
      if (check === null) return { verdict: 'pending', retryAfterMs: pendingMs }
      const code = readCode(evidence)
      if (code === null) return { verdict: 'denied', reason: 'evidence_invalid' }
      if (code !== undefined && check.version === 'v0.2') {
        return conclude(attempt, await exchangeCode(check, code), 'exchange code')
      }
      const word = await readCheck(check)
      // In v0.2 whoever opened the URL completes the check; that it was this user's phone is what only the code says.
      if (word === 'match' && check.version === 'v0.2') return { verdict: 'pending', retryAfterMs: awaitingCodeMs }
      return conclude(attempt, word, 'read check')
    },
  }
}

/** A reason of the provider's own is no answer about the number. */
function conclude ({ phoneNumber }: AttemptContext, word: 'match' | 'pending' | Reason, call: string): Outcome {
  if (word === 'pending') return { verdict: 'pending', retryAfterMs: pendingMs }
  if (word === 'match') {
    if (phoneNumber === null) throw new Error('truid.phone_check needs a phone number')
    return { verdict: 'proven', phoneNumber }
  }
  if (word.startsWith('provider_')) throw new ProviderError(provider, call, word)
  return { verdict: 'denied', reason: word }
}
