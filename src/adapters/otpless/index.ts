import { Type } from 'typebox'
import { foldCode } from '../../core/typed-code.ts'
import type { Json } from '../../core/vocabulary.ts'
import type { Adapter, AdapterIo, Provider, Settings } from '../adapter.ts'
import { credential, readCredential, readOrigin, setting } from '../settings.ts'
import { createApi, pollMs } from './api.ts'
import { provider } from './errors.ts'
import { createIdTokens, referenceOf } from './id-token.ts'
import { flows, token, type Flow } from './methods.ts'
import { isSigned, readAnnouncement, readWebhook } from './webhook.ts'
import { isEmpty, readCode, readLinkCode, readRequestIds, readToken } from './wire.ts'

// https://otpless.com/docs/api-reference
const defaultAuthUrl = 'https://auth.otpless.app'
const defaultUserAuthUrl = 'https://user-auth.otpless.app'
const defaultJwksUrl = 'https://otpless.com'
const tokenMethod = 'otpless.token'

const settings = Type.Object({
  OTPLESS_CLIENT_ID: credential('Client id of the OTPLESS dashboard. Enables the provider together with the secret.'),
  OTPLESS_CLIENT_SECRET: credential('Client secret of the OTPLESS dashboard.'),
  OTPLESS_APP_ID: credential('App id of the OTPLESS front-end SDK (public). Without it there is no `otpless.token`.'),
  OTPLESS_AUTH_URL: setting(`Origin of the initiate, verify and status APIs (${defaultAuthUrl}).`),
  OTPLESS_USER_AUTH_URL: setting(`Origin of the token API (${defaultUserAuthUrl}).`),
  OTPLESS_JWKS_URL: setting(
    'Origin of the keys that sign id tokens. With `ALLOW_INSECURE_PROVIDERS=true` it follows `OTPLESS_USER_AUTH_URL`, '
      + `if that is set (${defaultJwksUrl}).`,
  ),
  OTPLESS_WEBHOOK_SECRET: credential(
    'Secret with which OTPLESS signs its webhooks. Without it they are counted, and change nothing.',
  ),
})

export const otpless: Provider<typeof settings> = { provider, settings, open }

function open (env: Settings, io: AdapterIo): Adapter | null {
  if (!env.OTPLESS_CLIENT_ID && !env.OTPLESS_CLIENT_SECRET) return null
  const { now, allowInsecure } = io
  const clientId = readCredential('OTPLESS_CLIENT_ID', env.OTPLESS_CLIENT_ID)
  const clientSecret = readCredential('OTPLESS_CLIENT_SECRET', env.OTPLESS_CLIENT_SECRET)
  const webhookSecret = env.OTPLESS_WEBHOOK_SECRET || null
  const appId = env.OTPLESS_APP_ID ? readCredential('OTPLESS_APP_ID', env.OTPLESS_APP_ID) : null
  const originOf = (name: string, otherwise: string) => readOrigin(name, env[name] || otherwise, allowInsecure)
  const authUrl = originOf('OTPLESS_AUTH_URL', defaultAuthUrl)
  const userAuthUrl = originOf('OTPLESS_USER_AUTH_URL', defaultUserAuthUrl)
  // A test that names its own server sends nothing to OTPLESS, and that server signs the id tokens.
  const testUrl = allowInsecure ? env.OTPLESS_USER_AUTH_URL : undefined
  const keysOrigin = originOf('OTPLESS_JWKS_URL', testUrl || defaultJwksUrl)
  const http = io.openHttp(provider, [authUrl, userAuthUrl, keysOrigin].map(origin => new URL(origin).host))
  const idTokens = appId === null ? null : createIdTokens({ keysOrigin, appId, http, now })
  const api = createApi({ authUrl, userAuthUrl, clientId, clientSecret, idTokens, http, now, allowInsecure })
  const methods = Object.fromEntries(Object.entries(flows).map(([name, { method }]) => [name, method]))

  return {
    provider,
    methods: { ...appId === null ? {} : { [tokenMethod]: token }, ...methods },
    // The status of a request that does not exist: bad credentials are refused before.
    probes: { credentials: attempt => api.readStatus({ ...attempt, state: { requestIds: ['verigate-check'] } }) },

    async start (attempt) {
      const flow = flows[attempt.method]
      if (flow !== undefined) return api.initiate(flow, attempt)
      return { state: null, action: { type: 'submitToken', sdk: 'otpless', params: { appId: appId ?? '' } } }
    },

    /** A new request, which sends a new message. Its code replaces the first one; both links are valid. */
    resend: attempt => api.initiate(flowOf(attempt.method), attempt),

    receive ({ headers: { 'x-signature': signature }, rawBody, body }) {
      if (webhookSecret === null) return { type: 'refused', cause: 'secret_not_set' }
      if (typeof signature !== 'string') return { type: 'refused', cause: 'signature_missing' }
      if (!isSigned(rawBody, signature, webhookSecret)) return { type: 'refused', cause: 'signature_invalid' }
      return readWebhook(body, now())
    },

    /** The key in the path of the redirect names the attempt; OTPLESS adds a code, and nothing else. */
    readReturn ({ method, state }, query) {
      const code = readRequestIds(state) !== null && flows[method]?.takesCode === true ? readLinkCode(query) : null
      return code === null ? null : { code }
    },

    /**
     * How OTPLESS answers to a token that it has validated before is not documented. A typed code is checked against
     * the request that sent it.
     */
    singleUse ({ method }, evidence) {
      const flow = flows[method]
      if (flow !== undefined) return flow.takesCode === true && !isTyped(flow, evidence) ? readLinkCode(evidence) : null
      const token = readToken(evidence)
      return token === null ? null : referenceOf(token)
    },

    async resolve (attempt, evidence, call) {
      if (attempt.method === tokenMethod) {
        const token = readToken(evidence)
        return token === null ? { verdict: 'denied', reason: 'evidence_invalid' } : api.exchangeToken(attempt, token)
      }
      const flow = flowOf(attempt.method)
      if (isTyped(flow, evidence)) return api.checkOtp(attempt, foldCode(readCode(evidence) ?? ''), call)
      const code = flow.takesCode === true ? readLinkCode(evidence) : null
      const canBeTyped = flow.takesOtp === true
      if (code !== null) return api.exchangeCode(attempt, code, { ...call, canBeTyped })
      const announced = readAnnouncement(evidence)
      if (flow.isPolled?.(attempt.options) === true) return api.readStatus(attempt, announced?.requestId)
      // Anyone can open the link; only the code shows that the user of this front end did.
      const awaitsCode = (announced !== null || isEmpty(evidence)) && readRequestIds(attempt.state) !== null
      return awaitsCode
        ? { verdict: 'pending', retryAfterMs: pollMs }
        : { verdict: 'denied', reason: 'evidence_invalid' }
    },
  }
}

function flowOf (method: string): Flow {
  const flow = flows[method]
  if (flow === undefined) throw new RangeError(`${method} has no flow`)
  return flow
}

/** Whether a person typed the code of a message. In a message with a link, a code of digits is the typed one. */
function isTyped ({ takesOtp = false, takesCode = false }: Flow, evidence: Json): boolean {
  const code = readCode(evidence)
  if (code === null || !takesOtp) return false
  return !takesCode || /^\d{1,8}$/.test(foldCode(code))
}
