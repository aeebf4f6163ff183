import { Type } from 'typebox'
import type { Adapter, AdapterIo, AttemptContext, Method, Outcome, Provider, Settings } from '../adapter.ts'
import { ProviderError } from '../../core/errors.ts'
import { credential, privateKey, readBaseUrl, readCredential, readPrivateKey, setting } from '../settings.ts'
import { createNumberVerification } from './number-verification.ts'
import { createOidc, type Oidc } from './oidc.ts'
import type { Flow } from './flow.ts'
import { createSimSwap } from './sim-swap.ts'
import { createSms } from './sms.ts'

const defaultPurpose = 'dpv:FraudPreventionAndDetection'
const defaultText = '{{code}} is your verification code.'
const maxTextLength = 160
const defaultCodeLength = 6
/** After the verdict, a SIM swap check may use what is left of this time: the guard's deadline is seven seconds. */
const maxResolveMs = 5500

/** The APIs, with the versions of their paths that are known, the default first. */
const services = {
  number_verification: { path: 'number-verification', versions: ['v2', 'v1'] },
  sms: { path: 'one-time-password-sms', versions: ['v1', 'v2'] },
  sim_swap: { path: 'sim-swap', versions: ['v2', 'v1'] },
} as const
type Service = keyof typeof services

const settings = Type.Object({
  CAMARA_CLIENT_ID: credential('Client id at the operator. Enables the provider together with the private key.'),
  CAMARA_PRIVATE_KEY: privateKey(
    'Private key that authenticates the client (`private_key_jwt`): RSA or an elliptic curve, as PEM or as base64 of '
      + 'its PKCS #8 DER. The operator has the public one.',
  ),
  CAMARA_KEY_ID: setting('`kid` of the key, where the operator knows several.'),
  CAMARA_ISSUER: setting(
    'Issuer of the operator\'s tokens: `/.well-known/openid-configuration` below it names the other URLs.',
  ),
  CAMARA_API_URL: setting('`apiRoot` of the operator\'s APIs: the part of the URL before `/number-verification/v2`.'),
  CAMARA_SERVICES: setting(
    'What the operator offers, separated by commas: `number_verification`, `sms`, `sim_swap`. Another version of a '
      + 'path is named after a colon, such as `sms:v2` (number_verification).',
  ),
  CAMARA_PURPOSE: setting(`Purpose that was agreed with the operator, a scope (${defaultPurpose}).`),
  CAMARA_SMS_TEXT: setting(
    `Text of the messages, at most ${maxTextLength} characters, with \`{{code}}\` for the code (${defaultText}).`,
  ),
  CAMARA_SMS_CODE_LENGTH: setting(`How many characters the operator's codes have (${defaultCodeLength}).`),
})

export const camara: Provider<typeof settings> = { provider: 'camara', settings, hasInstances: true, open }

/** The services that the operator offers, with the URL of each. */
function readServices (text: string, apiUrl: string): Map<Service, string> {
  const offered = new Map<Service, string>()
  for (const item of text.split(',').map(part => part.trim())) {
    const [name = '', version] = item.split(':')
    const service = (Object.keys(services) as Service[]).find(known => known === name)
    const versions: readonly string[] = service === undefined ? [] : services[service].versions
    const chosen = version ?? versions[0] ?? ''
    if (service === undefined || !versions.includes(chosen) || offered.has(service)) {
      throw new Error('CAMARA_SERVICES must be number_verification, sms or sim_swap, or several separated by commas')
    }
    offered.set(service, `${apiUrl}/${services[service].path}/${chosen}`)
  }
  return offered
}

function readText (text: string): string {
  if (!text.includes('{{code}}') || text.length > maxTextLength) {
    throw new Error(`CAMARA_SMS_TEXT must contain {{code}}, and have at most ${maxTextLength} characters`)
  }
  return text
}

function readCodeLength (text: string): number {
  if (!/^([4-9]|10)$/.test(text)) throw new Error('CAMARA_SMS_CODE_LENGTH must be a number from 4 to 10')
  return Number(text)
}

function createMethods (offered: ReadonlyMap<Service, string>): Record<'number_verification' | 'sms', Method> {
  const signals = Type.Optional(Type.Array(Type.Enum(['simSwap']), {
    uniqueItems: true, description: '`["simSwap"]` asks the operator whether the SIM was swapped within ten days',
  }))
  const options = Type.Object(offered.has('sim_swap') ? { signals } : {}, { additionalProperties: false })
  return {
    number_verification: {
      needsPhoneNumber: true, evidence: ['code'], nextActions: ['openUrlOnCellular'], options,
      userStep: 'opens a URL over mobile data',
      // The code comes back through the front end, and PKCE binds it to this attempt.
      assurance: { possession: 'sim', binding: 'session', restricted: false },
      timeoutMs: 60_000, isRepeatable: true, sendsMessage: false, redirect: 'fixed', needsReturnUrl: true,
      defaultRank: 1,
    },
    sms: {
      needsPhoneNumber: true, evidence: ['code'], nextActions: ['submitCode'], options,
      userStep: 'types a code',
      assurance: { possession: 'message', binding: 'session', restricted: true },
      timeoutMs: 300_000, isRepeatable: false, sendsMessage: true, codeAttempts: 5,
      resend: { afterMs: 30_000, times: 2 }, defaultRank: 3,
    },
  }
}

function openOidc (env: Settings, io: AdapterIo, provider: string, issuer: string): Oidc {
  const purpose = env.CAMARA_PURPOSE || defaultPurpose
  if (!/^dpv:\w+$/.test(purpose)) throw new Error(`CAMARA_PURPOSE must be a purpose such as ${defaultPurpose}`)
  return createOidc({
    provider, issuer, purpose, io,
    clientId: readCredential('CAMARA_CLIENT_ID', env.CAMARA_CLIENT_ID),
    privateKey: readPrivateKey('CAMARA_PRIVATE_KEY', env.CAMARA_PRIVATE_KEY),
    keyId: env.CAMARA_KEY_ID ? readCredential('CAMARA_KEY_ID', env.CAMARA_KEY_ID) : null,
  })
}

function open (env: Settings, io: AdapterIo, provider: string): Adapter | null {
  if (!env.CAMARA_CLIENT_ID && !env.CAMARA_PRIVATE_KEY) return null
  const { now, allowInsecure } = io
  const issuer = readBaseUrl('CAMARA_ISSUER', env.CAMARA_ISSUER ?? '', allowInsecure)
  const apiUrl = readBaseUrl('CAMARA_API_URL', env.CAMARA_API_URL ?? '', allowInsecure)
  const offered = readServices(env.CAMARA_SERVICES || 'number_verification', apiUrl)
  const smsOptions = {
    text: readText(env.CAMARA_SMS_TEXT || defaultText),
    codeLength: readCodeLength(env.CAMARA_SMS_CODE_LENGTH || String(defaultCodeLength)),
  }
  const oidc = openOidc(env, io, provider, issuer)
  const http = io.openHttp(provider, [new URL(apiUrl).host])
  const partsOf = (service: Service) => ({ provider, issuer, oidc, http, now, url: offered.get(service) ?? '' })
  const silent = createNumberVerification(partsOf('number_verification'))
  const sms = createSms(partsOf('sms'), smsOptions)
  const checkSimSwap = createSimSwap(partsOf('sim_swap'))
  const methods = Object.entries(createMethods(offered)).filter(([name]) => offered.has(name as Service))
  const flowOf = ({ method }: Pick<AttemptContext, 'method'>): Flow => method.endsWith('.sms') ? sms : silent

  /** The operator may charge for the signal, so the gateway asks for it only after a proof. */
  async function withSignals (attempt: AttemptContext, outcome: Outcome, startedAt: number): Promise<Outcome> {
    const { signals } = attempt.options
    if (outcome.verdict !== 'proven' || !Array.isArray(signals) || !signals.includes('simSwap')) return outcome
    const simSwap = await checkSimSwap(attempt, startedAt + maxResolveMs - now())
    return simSwap === null ? outcome : { ...outcome, signals: { simSwap } }
  }

  return {
    provider,
    methods: Object.fromEntries(methods.map(([name, method]) => [`${provider}.${name}`, method])),
    probes: { credentials: () => probe(oidc, provider) },
    start: attempt => flowOf(attempt).start(attempt),
    /** A new code, which replaces the first one. */
    resend: attempt => flowOf(attempt).start(attempt),
    findKey: ({ state }) => state !== undefined && /^[\w-]{48}$/.test(state) ? state : null,
    readReturn: silent.readReturn,
    singleUse: (attempt, evidence) => flowOf(attempt).singleUse(evidence),

    async resolve (attempt, evidence, call) {
      const startedAt = now()
      return withSignals(attempt, await flowOf(attempt).resolve(attempt, evidence, call), startedAt)
    },
  }
}

/** Exchanges a code that does not exist: an operator refuses bad credentials before it looks at the code. */
async function probe (oidc: Oidc, provider: string): Promise<void> {
  const { call, token, answer } = await oidc.exchange({
    code: 'verigate-check', verifier: 'verigate-check-verigate-check-verigate-check',
    redirectUrl: 'https://verigate.invalid/',
  }, 'number-verification:verify')
  // A token endpoint answers 400 to what is wrong with the code.
  const isCodeRefused = token === 'evidence_invalid' || (token === 'provider_bad_response' && answer.status === 400)
  if (typeof token === 'string' && !isCodeRefused) {
    throw new ProviderError(provider, call, token, { status: answer.status, vendor: answer.describe?.() ?? null })
  }
}
