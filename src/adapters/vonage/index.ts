import { Type } from 'typebox'
import { foldCode } from '../../core/typed-code.ts'
import type { Json } from '../../core/vocabulary.ts'
import { digitsOf } from '../../phone.ts'
import type { Adapter, AdapterIo, AttemptContext, Outcome, Provider, Settings, Started } from '../adapter.ts'
import { deny, refusal } from '../refusal.ts'
import { credential, privateKey as key, readCredential, readOrigin, readPrivateKey, setting } from '../settings.ts'
import { createApi, type Api } from './api.ts'
import { codeLength, codeSeconds, localeOf, silentAuth, silentMethod, silentSeconds, typedMethods } from './methods.ts'
import { checkSignature, readWebhook } from './webhook.ts'
import { isCode, provider, readCode, readRequestId } from './wire.ts'

const defaultUrl = 'https://api.nexmo.com'
const defaultBrand = 'Verigate'
const busyMs = 1_000

const settings = Type.Object({
  VONAGE_APPLICATION_ID: credential('Id of the Vonage application. Enables the provider together with its key.'),
  VONAGE_PRIVATE_KEY: key('Private key of the application: PEM, or the base64 of its PKCS #8 DER.'),
  VONAGE_SIGNATURE_SECRET: credential(
    'Signature secret of the Vonage account. Without it webhooks are counted, and change nothing.',
  ),
  VONAGE_API_URL: setting(`Origin of the API (${defaultUrl}).`),
  VONAGE_BRAND: setting(`The name in the messages, of 1 to 18 characters without \`/{}:$\` (${defaultBrand}).`),
  VONAGE_WHATSAPP_FROM: setting(
    'The WhatsApp number of your business, which sends the codes. Without it there is no `vonage.whatsapp`.',
  ),
})

export const vonage: Provider<typeof settings> = { provider, settings, open }

function readBrand (text: string): string {
  if (text.length <= 18 && !/[/{}:$]/.test(text)) return text
  throw new Error('VONAGE_BRAND must have 1 to 18 characters, none of /{}:$')
}

function readSender (text: string | undefined): string | null {
  if (!text) return null
  const [, digits] = /^\+?(\d{6,15})$/.exec(text) ?? []
  if (digits === undefined) throw new Error('VONAGE_WHATSAPP_FROM must be a phone number with its country code')
  return digits
}

function open (env: Settings, io: AdapterIo): Adapter | null {
  if (!env.VONAGE_APPLICATION_ID && !env.VONAGE_PRIVATE_KEY) return null
  const { now, randomBytes } = io
  const applicationId = readCredential('VONAGE_APPLICATION_ID', env.VONAGE_APPLICATION_ID)
  const privateKey = readPrivateKey('VONAGE_PRIVATE_KEY', env.VONAGE_PRIVATE_KEY)
  if (privateKey.asymmetricKeyType !== 'rsa') throw new Error('VONAGE_PRIVATE_KEY must be an RSA key')
  const secret = env.VONAGE_SIGNATURE_SECRET || null
  const brand = readBrand(env.VONAGE_BRAND || defaultBrand)
  const sender = readSender(env.VONAGE_WHATSAPP_FROM)
  const origin = readOrigin('VONAGE_API_URL', env.VONAGE_API_URL || defaultUrl, io.allowInsecure)
  const http = io.openHttp(provider, [new URL(origin).host])
  const api = createApi({ origin, applicationId, privateKey, http, now, randomBytes })
  const start = createStart({ api, brand, sender, now })
  const methods = Object.fromEntries(Object.entries(typedMethods)
    .filter(([, { channel }]) => channel !== 'whatsapp' || sender !== null).map(([name, { method }]) => [name, method]))

  return {
    provider,
    methods: { [silentAuth]: silentMethod, ...methods },
    // A code for a request that does not exist: Vonage refuses bad credentials before it looks for the request.
    probes: {
      async credentials () {
        const { verdict, call, answer } = await api.check('00000000-0000-0000-0000-000000000000', '000000')
        if (verdict !== 'evidence_expired') deny(provider, call, readFailure(verdict), answer)
      },
    },
    start,

    /** Vonage has no call that sends a message again, and accepts one request for each number. */
    async resend (attempt) {
      const requestId = readRequestId(attempt.state)
      if (requestId !== null) await api.cancel(requestId)
      return start(attempt)
    },

    async receive (callback) {
      if (secret === null) return { type: 'refused', cause: 'secret_not_set' }
      const cause = await checkSignature(callback, secret, now())
      return cause === null ? readWebhook(callback.body, now()) : { type: 'refused', cause }
    },

    /** The code of a silent check is in the fragment of the URL, which no server receives. */
    readReturn: ({ method, state }) =>
      method === silentAuth && readRequestId(state) !== null ? { isInFragment: true } : null,

    resolve: (attempt, evidence, { repeated }) => resolve(api, attempt, evidence, repeated),

    async cancel ({ state }) {
      const requestId = readRequestId(state)
      if (requestId !== null) await api.cancel(requestId)
    },
  }
}

const readFailure = (verdict: string) => verdict === 'provider_misconfigured' ? verdict : 'provider_bad_response'

function createStart (
  { api, brand, sender, now }: { api: Api, brand: string, sender: string | null, now: () => number },
) {
  return async ({ id, method, phoneNumber, locale, expiresAt, redirectUrl }: AttemptContext): Promise<Started> => {
    if (phoneNumber === null) throw new Error(`${method} needs a phone number`)
    // The id of the attempt in Vonage's reports: letters and digits only.
    const common = { brand, client_ref: id.replaceAll(/[^a-zA-Z0-9]/g, '').slice(0, 40) }
    const to = digitsOf(phoneNumber)
    const typed = typedMethods[method]
    if (typed === undefined) {
      const call = 'create silent check'
      const { requestId, checkUrl } = await api.create(call, {
        ...common,
        // Without `redirect_url` the redirects end in JSON, which native SDKs need.
        workflow: [{ channel: 'silent_auth', to, ...redirectUrl === null ? {} : { redirect_url: redirectUrl } }],
      })
      // Without a URL, the operator of the number does not take part.
      if (checkUrl === null) throw refusal(provider, call, 'carrier_unsupported', null, { isCarrierFault: true })
      return {
        id: requestId, state: { requestId }, expiresInMs: silentSeconds * 1000,
        action: { type: 'openUrlOnCellular', url: checkUrl, finish: 'code' },
      }
    }
    const { channel, shown } = typed
    const seconds = Math.min(Math.max(Math.floor((expiresAt - now()) / 1000), codeSeconds.min), codeSeconds.max)
    const language = localeOf(locale)
    const { requestId } = await api.create(`create ${channel}`, {
      ...common, code_length: codeLength, channel_timeout: seconds, ...language === null ? {} : { locale: language },
      workflow: [{ channel, to, ...channel === 'whatsapp' ? { from: sender } : {} }],
    })
    return {
      id: requestId, state: { requestId }, expiresInMs: seconds * 1000,
      action: { type: 'submitCode', length: codeLength, channels: [shown] },
    }
  }
}

/** A typed code can be tried three times, the code of a silent check once. */
async function resolve (
  api: Api, { method, phoneNumber, state }: AttemptContext, evidence: Json, repeated: boolean,
): Promise<Outcome> {
  const requestId = readRequestId(state)
  const given = readCode(evidence)
  if (requestId === null || given === null || phoneNumber === null) {
    return { verdict: 'denied', reason: 'evidence_invalid' }
  }
  const isTyped = method !== silentAuth
  const code = isTyped ? foldCode(given) : given
  if (!isCode(code)) return isTyped ? { verdict: 'incorrect' } : { verdict: 'denied', reason: 'evidence_invalid' }
  const { verdict, call, answer } = await api.check(requestId, code)
  // The answer names no number: the code proves the number that it was sent to.
  if (verdict === 'completed') return { verdict: 'proven', phoneNumber }
  if (verdict === 'busy') return { verdict: 'pending', retryAfterMs: busyMs }
  if (verdict === 'incorrect') return isTyped ? { verdict } : deny(provider, call, 'evidence_invalid', answer)
  // Vonage does not find a completed request any more, and the first try may have completed it.
  if (repeated && verdict === 'evidence_expired') throw refusal(provider, call, 'provider_timeout', answer)
  const isTooOften = verdict === 'code_attempts_exhausted' && !isTyped
  return deny(provider, call, isTooOften ? 'evidence_invalid' : verdict, answer)
}
