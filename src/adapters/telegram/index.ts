import { Type } from 'typebox'
import { foldCode } from '../../core/typed-code.ts'
import type { Adapter, AdapterIo, Method, Provider, Settings } from '../adapter.ts'
import { credential, readCredential, readOrigin, setting } from '../settings.ts'
import { createApi, provider } from './api.ts'
import { readCode, readDelivery, readRequestId, refuseReport } from './wire.ts'

// https://core.telegram.org/gateway/api

const defaultUrl = 'https://gatewayapi.telegram.org'

const settings = Type.Object({
  TELEGRAM_API_TOKEN: credential('Access token of the Gateway account. Enables the provider.'),
  TELEGRAM_API_URL: setting(`Origin of the Gateway API (${defaultUrl}).`),
  TELEGRAM_SENDER_USERNAME: setting(
    'Username of the verified channel that the codes come from (the chat "Verification Codes").',
  ),
})

/** Telegram charges for each message as a request of its own, so the method has no resend. */
const code: Method = {
  needsPhoneNumber: true,
  evidence: ['code'],
  nextActions: ['submitCode'],
  userStep: 'types a code',
  // The code reaches every device of the Telegram account that holds the number, with or without its SIM.
  assurance: { possession: 'account', binding: 'session', restricted: false },
  timeoutMs: 300_000,
  options: Type.Object({}, { additionalProperties: false }),
  isRepeatable: false,
  sendsMessage: true,
  defaultRank: 3,
  codeAttempts: 5,
}

export const telegram: Provider<typeof settings> = { provider, settings, open }

function readSender (text: string): string {
  const username = text.replace(/^@/, '')
  if (!/^[A-Za-z]\w{3,31}$/.test(username)) {
    throw new Error('TELEGRAM_SENDER_USERNAME must be the username of a channel, such as my_shop')
  }
  return username
}

function open (env: Settings, io: AdapterIo): Adapter | null {
  if (!env.TELEGRAM_API_TOKEN) return null
  const { now, allowInsecure } = io
  const token = readCredential('TELEGRAM_API_TOKEN', env.TELEGRAM_API_TOKEN)
  const origin = readOrigin('TELEGRAM_API_URL', env.TELEGRAM_API_URL || defaultUrl, allowInsecure)
  const sender = env.TELEGRAM_SENDER_USERNAME ? readSender(env.TELEGRAM_SENDER_USERNAME) : null
  const http = io.openHttp(provider, [new URL(origin).host])
  const api = createApi({ origin, token, sender, http, now, allowInsecure })

  return {
    provider,
    methods: { 'telegram.code': code },
    probes: { credentials: api.probe },
    start: api.send,

    receive (callback) {
      const cause = refuseReport(callback, token, now())
      if (cause !== null) return { type: 'refused', cause }
      const { key, body } = callback
      if (key === null || !/^[\w-]{48}$/.test(key)) return null
      const delivery = readDelivery(body, now())
      return delivery === null ? { key, type: 'noted' } : { key, type: 'delivery', delivery }
    },

    async resolve ({ state, phoneNumber, startedAt }, evidence) {
      const [requestId, typed] = [readRequestId(state), readCode(evidence)]
      if (requestId === null || typed === null || phoneNumber === null) {
        return { verdict: 'denied', reason: 'evidence_invalid' }
      }
      const code = foldCode(typed)
      return /^\d{4,8}$/.test(code) ? api.check({ requestId, code, phoneNumber, startedAt }) : { verdict: 'incorrect' }
    },

    async cancel ({ state }) {
      const requestId = readRequestId(state)
      if (requestId !== null) await api.revoke(requestId)
    },
  }
}
