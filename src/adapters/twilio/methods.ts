import { Type } from 'typebox'
import type { Json } from '../../core/vocabulary.ts'
import type { Method } from '../adapter.ts'

// https://www.twilio.com/docs/verify/authentication-channels: one row for each channel

type Options = Readonly<Record<string, Json>>

const defaultCodeLength = 6
const minutes = 60_000

const code: Omit<Method, 'assurance' | 'userStep'> = {
  needsPhoneNumber: true, evidence: ['code'], nextActions: ['submitCode'], isRepeatable: false, sendsMessage: true,
  timeoutMs: 5 * minutes, resend: { afterMs: 30_000, times: 2 }, codeAttempts: 5,
  options: Type.Object({
    codeLength: Type.Optional(Type.Integer({
      minimum: 4, maximum: 10, description: 'How many digits the codes of the service have. Twilio does not say it.',
    })),
  }, { additionalProperties: false }),
}
// Twilio can send a code by SMS instead, if WhatsApp does not deliver it, and does not say so.
const message = { possession: 'message', binding: 'session', restricted: true } as const

export const readCodeLength = ({ codeLength }: Options): number =>
  typeof codeLength === 'number' && Number.isInteger(codeLength) && codeLength >= 4 && codeLength <= 10
    ? codeLength : defaultCodeLength

/** The token that the phone receives comes back through the front end: an attacker's phone would receive another's. */
export const wantsToken = ({ clientToken }: Options): boolean => clientToken !== false

export const silentMethod = 'twilio.sna'

export const methods: Readonly<Record<string, Method>> = {
  'twilio.sms': { ...code, userStep: 'types a code', assurance: message, defaultRank: 3 },
  'twilio.whatsapp': { ...code, userStep: 'types a code', assurance: message },
  'twilio.call': { ...code, userStep: 'types a code', assurance: message },
  [silentMethod]: {
    needsPhoneNumber: true, evidence: ['code', 'none'], nextActions: ['openUrlOnCellular'], isRepeatable: true,
    sendsMessage: false, timeoutMs: minutes,
    userStep: 'opens a URL over mobile data',
    assurance: options =>
      ({ possession: 'sim', binding: wantsToken(options) ? 'session' : 'none', restricted: false }),
    options: Type.Object({
      clientToken: Type.Optional(Type.Boolean({
        description: '`false`: the proof needs no token of the phone, so anyone who opens the URL completes the check.',
      })),
    }, { additionalProperties: false }),
  },
}

/** The name of the channel at Twilio. */
export const channelOf = (method: string): string => method.slice(method.indexOf('.') + 1)

/** Its name in `nextAction.channels`. */
export const shownChannelOf = (method: string): string =>
  method === 'twilio.call' ? 'VOICE_CALL' : channelOf(method).toUpperCase()
