import { hash } from 'node:crypto'
import { Type } from 'typebox'
import type {
  Adapter, AdapterIo, AttemptContext, Method, Outcome, Provider, ProviderRequest, Received, Settings, Started,
} from '../../../src/adapters/adapter.ts'
import { deny, refusal } from '../../../src/adapters/refusal.ts'
import { credential, readOrigin, setting } from '../../../src/adapters/settings.ts'
import type { Assurance } from '../../../src/core/assurance.ts'
import type { Action, Json } from '../../../src/core/vocabulary.ts'
import {
  isSigned, readCheck, readCheckId, readCode, readId, readNumber, readRedirect, readRefusal, readToken, readWebhook,
  type Status, type Webhook,
} from './wire.ts'

/** A provider that uses everything that the interface offers, as docs/adding-a-provider.md describes it. */

const pollMs = 100
const length = 6

const settings = Type.Object({
  TOY_KEY: credential('API key. Turns the provider on.'),
  TOY_SECRET: credential('Secret with which the provider signs its webhooks.'),
  TOY_URL: setting('Origin of the API (https://api.toy.example).'),
})

const basics = {
  needsPhoneNumber: true, timeoutMs: 60_000, options: Type.Object({}, { additionalProperties: false }),
} as const
/** A call that the user approves. The gateway polls, and its own key is unknown to the provider. */
const call: Method = {
  ...basics, evidence: ['none'], nextActions: ['answerCall'], userStep: 'approves a call',
  assurance: { possession: 'message', binding: 'none', restricted: true }, isRepeatable: false, sendsMessage: true,
  isFoundByProviderId: true,
}
/** A silent check; if it is impossible, the provider sends a code. */
const silent: Method = {
  ...basics, evidence: ['code', 'none'], nextActions: ['openUrlOnCellular', 'submitCode'],
  userStep: 'opens a URL over mobile data',
  assurance: { possession: 'sim', binding: 'none', restricted: false }, isRepeatable: false,
  sendsMessage: false, codeAttempts: 3, isFoundByProviderId: true,
}
const byCode: Assurance = { possession: 'message', binding: 'session', restricted: true }
/** An operator's login, whose redirect URL is registered beforehand. */
const login: Method = {
  ...basics, evidence: ['code'], nextActions: ['openUrlOnCellular'], userStep: 'opens a URL over mobile data',
  assurance: { possession: 'sim', binding: 'session', restricted: false }, isRepeatable: true, sendsMessage: false,
  startsLocally: true, redirect: 'fixed', needsReturnUrl: true,
}

export const toy: Provider<typeof settings> = { provider: 'toy', settings, hasInstances: true, open }

function open (env: Settings, io: AdapterIo, provider: string): Adapter | null {
  const { TOY_KEY: key, TOY_SECRET: secret } = env
  if (!key && !secret) return null
  if (!key) throw new Error('TOY_KEY is missing')
  if (!secret) throw new Error('TOY_SECRET is missing')
  const origin = readOrigin('TOY_URL', env.TOY_URL || 'https://api.toy.example', io.allowInsecure)
  const http = io.openHttp(provider, [new URL(origin).host])
  const ask = ({ headers, ...request }: ProviderRequest) =>
    http({ ...request, headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json', ...headers } })

  async function startCheck (kind: 'call' | 'silent', { phoneNumber }: AttemptContext): Promise<Started> {
    const call = 'create check'
    const request = JSON.stringify({ kind, number: phoneNumber })
    const answer = await ask({ method: 'POST', url: `${origin}/toy/checks`, call, body: request })
    if (answer.status >= 400) throw refusal(provider, call, readRefusal(answer.status), answer)
    const id = readId(answer.body)
    if (id === null) throw refusal(provider, call, 'provider_bad_response', answer)
    return kind === 'call'
      ? { id, state: { id }, action: { type: 'answerCall' }, poll: { afterMs: pollMs } }
      : { id, state: { id }, action: { type: 'openUrlOnCellular', url: `${origin}/toy/open/${id}`, finish: 'none' } }
  }

  function startLogin ({ redirectUrl, redirectKey, phoneNumber }: AttemptContext): Started {
    const verifier = io.randomBytes(32).toString('base64url')
    const url = new URL(`${origin}/toy/authorize`)
    url.search = new URLSearchParams({
      redirect_uri: redirectUrl ?? '', state: redirectKey ?? '', login_hint: phoneNumber ?? '',
      code_challenge: hash('sha256', verifier, 'base64url'),
    }).toString()
    return { state: { verifier }, action: { type: 'openUrlOnCellular', url: url.href, finish: 'code' } }
  }

  /** Reads the check, or submits the code that the user typed. */
  async function queryCheck (id: string, code: string | null): Promise<Status> {
    const call = code === null ? 'read check' : 'submit code'
    const url = `${origin}/toy/checks/${encodeURIComponent(id)}`
    const answer = await ask(code === null
      ? { method: 'GET', url, call }
      : { method: 'POST', url: `${url}/code`, call, body: JSON.stringify({ code }) })
    if (answer.status >= 400) throw refusal(provider, call, readRefusal(answer.status), answer)
    const read = readCheck(answer.body, id)
    if (read === null) throw refusal(provider, call, 'provider_bad_response', answer)
    return read
  }

  async function resolveCheck ({ state, phoneNumber }: AttemptContext, evidence: Json): Promise<Outcome> {
    const id = readCheckId(state)
    const code = readCode(evidence)
    if (id === null || phoneNumber === null) return { verdict: 'denied', reason: 'evidence_invalid' }
    const status = await queryCheck(id, code)
    switch (status) {
      // A silent check that became a code.
      case 'proven': return { verdict: 'proven', phoneNumber, ...code === null ? {} : { assurance: byCode } }
      case 'wrong': return { verdict: 'incorrect' }
      case 'refused': return deny(provider, 'read check', 'user_rejected')
      case 'sms': return { verdict: 'pending', retryAfterMs: 5_000, ...smsStep(id) }
      case 'pending': return { verdict: 'pending', retryAfterMs: pollMs }
      default: return status satisfies never
    }
  }

  /** The code is good for one exchange, so the token is kept as `state` until the number can be read. */
  async function resolveLogin ({ phoneNumber: expected, state }: AttemptContext, evidence: Json): Promise<Outcome> {
    const code = readCode(evidence)
    const known = readRedirect(state)
    if (code === null || known === null) return { verdict: 'denied', reason: 'evidence_invalid' }
    const token = known.token ?? await exchange(code, known.verifier)
    if (token === null) return { verdict: 'denied', reason: 'evidence_invalid' }
    const call = 'read number'
    const answer = await ask({
      method: 'GET', url: `${origin}/toy/number`, call, headers: { authorization: `Bearer ${token}` },
    })
    if (answer.status === 202) return { verdict: 'pending', retryAfterMs: pollMs, state: { ...known, token } }
    const phoneNumber = answer.status < 300 ? readNumber(answer.body, expected) : null
    if (phoneNumber === null) throw refusal(provider, call, 'provider_bad_response', answer)
    return { verdict: 'proven', phoneNumber }
  }

  async function exchange (code: string, verifier: string): Promise<string | null> {
    const call = 'exchange code'
    const request = JSON.stringify({ code, verifier })
    const answer = await ask({ method: 'POST', url: `${origin}/toy/token`, call, body: request })
    if (answer.status === 400) return null
    const token = answer.status < 300 ? readToken(answer.body) : null
    if (token === null) throw refusal(provider, call, readRefusal(answer.status), answer)
    return token
  }

  /** A check that does not exist is 404 with the right key. */
  async function probe (): Promise<void> {
    const call = 'probe'
    const answer = await ask({ method: 'GET', url: `${origin}/toy/checks/none`, call })
    if (answer.status >= 400 && answer.status !== 404) throw refusal(provider, call, readRefusal(answer.status), answer)
  }

  return {
    provider,
    methods: { [`${provider}.call`]: call, [`${provider}.silent`]: silent, [`${provider}.login`]: login },
    probes: { credentials: probe },

    async start (attempt) {
      const kind = attempt.method.slice(attempt.method.indexOf('.') + 1)
      return kind === 'login' ? startLogin(attempt) : startCheck(kind === 'call' ? 'call' : 'silent', attempt)
    },

    receive ({ headers: { 'x-toy-signature': signature }, rawBody, body }) {
      if (signature === undefined) return { type: 'refused', cause: 'signature_missing' }
      if (!isSigned(rawBody, signature, secret)) return { type: 'refused', cause: 'signature_invalid' }
      const message = readWebhook(body)
      return message === null ? null : receivedOf(message)
    },

    findKey: ({ state }) => state !== undefined && /^[\w-]{48}$/.test(state) ? state : null,

    readReturn ({ redirectKey }, { state, code }) {
      if (state === undefined || state !== redirectKey) return null
      return code === undefined ? { error: 'user_rejected' } : { code }
    },

    singleUse: ({ method }, evidence) => method === `${provider}.login` ? readCode(evidence) : null,

    resolve: async (attempt, evidence) =>
      attempt.method === `${provider}.login` ? resolveLogin(attempt, evidence) : resolveCheck(attempt, evidence),

    async cancel ({ state }) {
      const id = readCheckId(state)
      if (id === null) return
      const call = 'cancel check'
      const answer = await ask({ method: 'DELETE', url: `${origin}/toy/checks/${encodeURIComponent(id)}`, call })
      if (answer.status >= 400) throw refusal(provider, call, readRefusal(answer.status), answer)
    },
  }
}

const smsStep = (id: string): { state: Json, action: Action } =>
  ({ state: { id }, action: { type: 'submitCode', length, channels: ['SMS'] } })

function receivedOf ({ id: providerId, event, at }: Webhook): Received {
  switch (event) {
    case 'sms': return { providerId, type: 'updated', ...smsStep(providerId) }
    case 'delivered': return { providerId, type: 'delivery', delivery: { status: 'delivered', channel: 'sms', at } }
    case 'proven': return { providerId, type: 'evidence', evidence: {} }
    case 'refused': return { providerId, type: 'denied', reason: 'user_rejected' }
    default: return event satisfies never
  }
}
