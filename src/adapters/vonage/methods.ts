import { Type } from 'typebox'
import type { Method } from '../adapter.ts'

/** A silent check lives for 60 seconds, whatever timeout the request has. */
export const silentSeconds = 60
/** How long a typed code is valid: Vonage's limits are 15 and 900 seconds. */
export const codeSeconds = { min: 60, max: 600 }
export const codeLength = 6
export const silentAuth = 'vonage.silent_auth'

const common = {
  needsPhoneNumber: true, evidence: ['code'], isFoundByProviderId: true,
  options: Type.Object({}, { additionalProperties: false }),
} as const satisfies Partial<Method>

const typed = {
  ...common, nextActions: ['submitCode'], userStep: 'types a code', timeoutMs: 300_000, isRepeatable: false,
  sendsMessage: true, codeAttempts: 3,
  // Vonage cancels a request only 30 seconds after its start.
  resend: { afterMs: 30_000, times: 2 },
} as const satisfies Partial<Method>

/** A method that sends a code: the channel by Vonage's name, and by the name that front ends know. */
export type Typed = { method: Method, channel: 'sms' | 'whatsapp' | 'voice', shown: string }

export const typedMethods: Readonly<Record<string, Typed>> = {
  'vonage.sms': {
    method: { ...typed, defaultRank: 3, assurance: { possession: 'message', binding: 'session', restricted: true } },
    channel: 'sms', shown: 'SMS',
  },
  'vonage.whatsapp': {
    method: { ...typed, assurance: { possession: 'message', binding: 'session', restricted: false } },
    channel: 'whatsapp', shown: 'WHATSAPP',
  },
  'vonage.voice': {
    method: { ...typed, assurance: { possession: 'message', binding: 'session', restricted: true } },
    channel: 'voice', shown: 'VOICE_CALL',
  },
}

/** The check ends with a code that comes back through the front end. A second request would be refused. */
export const silentMethod: Method = {
  ...common, nextActions: ['openUrlOnCellular'], userStep: 'opens a URL over mobile data', isRepeatable: false,
  timeoutMs: silentSeconds * 1000, sendsMessage: false,
  assurance: { possession: 'sim', binding: 'session', restricted: false },
}

/** https://developer.vonage.com/en/verify/guides/verify-v2-languages: those with texts of Vonage's own. */
const locales = [
  'ar-xa', 'cs-cz', 'da-dk', 'de-de', 'el-gr', 'en-us', 'en-au', 'en-gb', 'en-in', 'es-es', 'es-mx', 'es-us', 'fi-fi',
  'fr-fr', 'fr-ca', 'hi-in', 'hu-hu', 'id-id', 'it-it', 'ja-jp', 'ko-kr', 'nb-no', 'nl-nl', 'pl-pl', 'pt-br', 'pt-pt',
  'ro-ro', 'ru-ru', 'sv-se', 'th-th', 'tr-tr', 'vi-vn', 'zh-cn', 'zh-tw',
]

/** The same language tag, or else the first one of the language. Null: Vonage chooses by the number. */
export function localeOf (tag: string | null): string | null {
  const wanted = tag?.toLowerCase().replace('_', '-') ?? ''
  const [language = ''] = wanted.split('-')
  return locales.find(locale => locale === wanted) ?? locales.find(locale => locale.split('-')[0] === language) ?? null
}
