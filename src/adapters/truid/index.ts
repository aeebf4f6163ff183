import { Type } from 'typebox'
import type { Assurance } from '../../core/assurance.ts'
import type { Adapter, AdapterIo, AttemptContext, Method, Provider, Settings } from '../adapter.ts'
import { deny } from '../refusal.ts'
import { credential, readCredential, readOrigin, setting } from '../settings.ts'
import { createAccess, fetchToken, provider, type AccessParts } from './access.ts'
import { createApi } from './api.ts'
import { createCoverage } from './coverage.ts'
import { isSignedBy, readSignature } from './signature.ts'
import {
  isCallback, products, readCode, readReturnError, readState, versions, type Product, type Version,
} from './wire.ts'

// https://developer.tru.id/docs/phone-check/integration (v0.2), …/integration-v0_1
// https://developer.tru.id/docs/subscriber-check/integration
const residencies = ['eu', 'in', 'us']
const pendingMs = 1000
/** A completed v0.2 check waits for the user's code, so a query does not bring the result sooner. */
const awaitingCodeMs = 5000
/** After the verdict, a SIMCheck may use what is left of this time: the guard's deadline is seven seconds. */
const maxResolveMs = 5500

const settings = Type.Object({
  TRUID_CLIENT_ID: credential('Client id of the tru.ID project. Enables the provider together with the secret.'),
  TRUID_CLIENT_SECRET: credential('Client secret of the tru.ID project.'),
  TRUID_API_URL: setting('Origin of the tru.ID API (https://<residency>.api.tru.id).'),
  TRUID_DATA_RESIDENCY: setting('Where the project is: `eu`, `in` or `us` (eu).'),
  TRUID_API_VERSION: setting(
    'Version of PhoneCheck and SubscriberCheck: `v0.2` (with a one-time code), `v0.1`, or both, separated by a comma. '
      + 'The first is the default, the other one can be chosen by the option `version`; one that is not listed is '
      + 'refused with 400 (v0.2).',
  ),
})

/** In v0.1 anybody who opens the URL completes the check; the code of v0.2 shows that it was this user's phone. */
const assurances: Record<Version, Assurance> = {
  'v0.2': { possession: 'sim', binding: 'session', restricted: false },
  'v0.1': { possession: 'sim', binding: 'none', restricted: false },
}

/** Additional questions about the SIM: `simChange` makes a SIMCheck, which tru.ID charges for separately. */
const signals = Type.Array(Type.Enum(['simChange']), {
  uniqueItems: true, description: '`["simChange"]` adds a SIMCheck, which tru.ID charges for',
})
const wantsSimChange = ({ signals }: AttemptContext['options']): boolean =>
  Array.isArray(signals) && signals.includes('simChange')

function createMethods (offered: Offered): Record<`truid.${Product}`, Method> {
  const version = Type.Optional(Type.Enum(offered, {
    description: '`v0.2` or `v0.1`, if `TRUID_API_VERSION` lists it; the first of that list is the default',
  }))
  const check: Omit<Method, 'options'> = {
    needsPhoneNumber: true,
    evidence: ['code', 'none'],
    nextActions: ['openUrlOnCellular'],
    userStep: 'opens a URL over mobile data',
    assurance: options => assurances[readVersion(options, offered)],
    timeoutMs: 60_000,
    isRepeatable: true,
    sendsMessage: false,
  }
  return {
    'truid.phone_check': {
      ...check,
      options: Type.Object({ version, signals: Type.Optional(signals) }, { additionalProperties: false }),
      defaultRank: 1,
    },
    'truid.subscriber_check': { ...check, options: Type.Object({ version }, { additionalProperties: false }) },
  }
}

function productOf (method: string): Product {
  const product = products.find(name => method === `truid.${name}`)
  if (product === undefined) throw new Error(`${method} is not a method of tru.ID`)
  return product
}

/** The versions that the operator lists, the default first. */
type Offered = [Version, ...Version[]]

function readOffered (text: string): Offered {
  const names = text.split(',').map(name => name.trim())
  const [first, ...others] = names.flatMap(name => versions.find(known => known === name) ?? [])
  if (first === undefined || new Set([first, ...others]).size < names.length) {
    throw new Error('TRUID_API_VERSION must be v0.2, v0.1, or both, separated by a comma')
  }
  return [first, ...others]
}

const readVersion = ({ version }: AttemptContext['options'], offered: Offered): Version =>
  offered.find(known => known === version) ?? offered[0]

export const truid: Provider<typeof settings> = { provider, settings, open }

function readAccess (env: Settings, io: AdapterIo): AccessParts {
  const clientId = readCredential('TRUID_CLIENT_ID', env.TRUID_CLIENT_ID)
  const clientSecret = readCredential('TRUID_CLIENT_SECRET', env.TRUID_CLIENT_SECRET)
  const residency = env.TRUID_DATA_RESIDENCY || 'eu'
  if (!residencies.includes(residency)) throw new Error('TRUID_DATA_RESIDENCY must be eu, in or us')
  const origin = readOrigin('TRUID_API_URL', env.TRUID_API_URL || `https://${residency}.api.tru.id`, io.allowInsecure)
  return { origin, clientId, clientSecret, http: io.openHttp(provider, [new URL(origin).host]) }
}

function open (env: Settings, io: AdapterIo): Adapter | null {
  if (!env.TRUID_CLIENT_ID && !env.TRUID_CLIENT_SECRET) return null
  const parts = readAccess(env, io)
  const offered = readOffered(env.TRUID_API_VERSION || 'v0.2')
  const access = createAccess(parts)
  const api = createApi({ ...parts, access })
  const coverage = createCoverage({ ...parts, http: access('coverage') })

  return {
    provider,
    methods: createMethods(offered),
    probes: { credentials: () => fetchToken(parts, 'phone_check') },

    canServe: coverage.canServe,

    async start (attempt) {
      const version = readVersion(attempt.options, offered)
      const { checkId, self, checkUrl, ttlSeconds, cost, balance } =
        await api.createCheck(attempt, productOf(attempt.method), version)
      const finish = version === 'v0.2' ? 'code' : 'none'
      return {
        id: checkId, state: { checkId, self, version }, action: { type: 'openUrlOnCellular', url: checkUrl, finish },
        ...ttlSeconds === null || ttlSeconds <= 0 ? {} : { expiresInMs: ttlSeconds * 1000 },
        ...cost === null ? {} : { cost }, ...balance === null ? {} : { balance },
      }
    },

    async receive (callback) {
      const signed = readSignature(callback, io.now())
      if (typeof signed === 'string') return { type: 'refused', cause: signed }
      const keys = await api.getKeys(signed)
      if (typeof keys === 'string') return { type: 'refused', cause: keys }
      if (!await isSignedBy(keys, signed)) return { type: 'refused', cause: 'signature_invalid' }
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

    /** How tru.ID answers to the code of another check is not documented. In v0.1 it ignores the code. */
    singleUse: ({ state }, evidence) => readState(state)?.version === 'v0.2' ? readCode(evidence) ?? null : null,

    async resolve (attempt, evidence) {
      const startedAt = io.now()
      const { phoneNumber, options } = attempt
      if (phoneNumber === null) throw new Error('a check needs a phone number')
      const check = readState(attempt.state)
      // The callback can arrive before the answer to the create call.
      if (check === null) return { verdict: 'pending', retryAfterMs: pendingMs }
      const product = productOf(attempt.method)
      const code = readCode(evidence)
      if (code === null) return { verdict: 'denied', reason: 'evidence_invalid' }
      const hasCode = code !== undefined && check.version === 'v0.2'
      const judged = hasCode ? await api.exchangeCode(check, product, code) : await api.readCheck(check, product)
      const { verdict, simChangedWithin } = judged
      if (verdict === 'pending') return { verdict: 'pending', retryAfterMs: pendingMs }
      if (verdict !== 'match') return deny(provider, judged.call, verdict, judged.answer, judged)
      // In v0.2 anybody who opens the URL completes the check; only the code shows that it was this user's phone.
      if (check.version === 'v0.2' && !hasCode) return { verdict: 'pending', retryAfterMs: awaitingCodeMs }
      const within = simChangedWithin === null && wantsSimChange(options)
        ? await api.checkSim(attempt, startedAt + maxResolveMs - io.now())
        : simChangedWithin
      return {
        verdict: 'proven', phoneNumber, assurance: assurances[check.version],
        ...within === null ? {} : { signals: { simChangedWithin: within } },
      }
    },
  }
}
