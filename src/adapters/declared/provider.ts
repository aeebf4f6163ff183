import { Type } from 'typebox'
import type { Action } from '../../core/vocabulary.ts'
import type { Adapter, AdapterIo, AttemptContext, Method, Provider, Settings, Started } from '../adapter.ts'
import { judgeCode, makeCode } from '../made-code.ts'
import { refusal } from '../refusal.ts'
import { credential } from '../settings.ts'
import { readAnswer } from './answer.ts'
import { readReceipt } from './receipt.ts'
import { writeRequest, writeUrl } from './request.ts'
import type { Entry } from './schema.ts'
import { envNamesIn, namesIn, textsIn, type Values } from './template.ts'
import { otpLine, writeText } from './text.ts'

const defaultCodeLength = 6
const maxWrongCodes = 5
/** Place in the default workflow: with the other methods whose code a person types. */
const smsRank = 3
const restrictedChannels = ['sms', 'voice_call']

/** The environment variables that an entry names. */
export const variablesIn = ({ request }: Entry): string[] =>
  [...new Set(textsIn(request, '').flatMap(({ text }) => envNamesIn(text)))]

/** Whether the entry sends this placeholder. */
const sends = ({ request }: Entry, name: string): boolean =>
  textsIn(request, '').some(({ text }) => namesIn(text).includes(name))

export const codeLengthOf = ({ codeLength = defaultCodeLength }: Entry): number => codeLength

/** What the placeholders of one message stand for. */
export function valuesOf (
  entry: Entry, { phoneNumber, locale, app, callbackUrl }: AttemptContext, code: string,
): Values {
  if (phoneNumber === null) throw new Error(`${entry.name} needs a phone number`)
  return {
    phoneNumber, digits: phoneNumber.slice(1), code, callbackUrl,
    text: writeText(entry.text ?? { default: '{code}' }, locale, { code, app: app.name, host: hostOf(entry, app) }),
  }
}

/** Only the text of an SMS can have a line for browsers. */
const hostOf = (entry: Entry, { host }: AttemptContext['app']): string | null =>
  entry.channel === 'sms' && sends(entry, 'text') ? host : null

function methodOf (entry: Entry): Method {
  const { channel, restricted = restrictedChannels.includes(channel) } = entry
  return {
    needsPhoneNumber: true, evidence: ['code'], nextActions: ['submitCode'], userStep: 'types a code',
    assurance: { possession: 'message', binding: 'session', restricted }, timeoutMs: 300_000, isRepeatable: false,
    sendsMessage: true, judgesLocally: true, resend: { afterMs: 30_000, times: 2 }, codeAttempts: maxWrongCodes,
    ...channel === 'sms' ? { defaultRank: smsRank } : {},
    options: Type.Object({
      codeLength: Type.Optional(Type.Integer({
        minimum: 4, maximum: 10, default: codeLengthOf(entry), description: 'Digits of the code.',
      })),
    }, { additionalProperties: false }),
  }
}

function actionOf (entry: Entry, { app }: AttemptContext, length: number): Action {
  const host = hostOf(entry, app)
  return {
    type: 'submitCode', length, channels: [entry.channel.toUpperCase()],
    ...host === null ? {} : { autofill: { webOtp: otpLine(host, 'code') } },
  }
}

/** Placeholders are in the path and the query only, so the host does not depend on them. */
function hostIn ({ request: { url } }: Entry, env: Values): string {
  const [variable = 'request/url'] = envNamesIn(url)
  const parsed = URL.parse(writeUrl(url, {}, env))
  if (parsed === null || parsed.host === '') throw new Error(`${variable} must be an https URL, without its path`)
  return parsed.host
}

function open (entry: Entry, env: Values, { openHttp, now }: AdapterIo): Adapter {
  const { name, channel, request } = entry
  const http = openHttp(name, [hostIn(entry, env)])

  /** The same code each time, while the attempt keeps it. */
  async function send (attempt: AttemptContext): Promise<Started> {
    const { code, kept } = makeCode(attempt, Number(attempt.options['codeLength'] ?? codeLengthOf(entry)))
    const answer = await http(writeRequest(request, valuesOf(entry, attempt, code), env))
    const read = readAnswer(entry, answer)
    if ('refused' in read) throw refusal(name, 'message', read.refused, answer)
    return {
      state: kept, action: actionOf(entry, attempt, kept.codeLength),
      ...read.id === null ? {} : { id: read.id, isIdOptional: true },
    }
  }

  return {
    provider: name,
    methods: { [`${name}.${channel}`]: methodOf(entry) },
    start: send,
    resend: send,
    resolve: async (attempt, evidence) => judgeCode(attempt, evidence),
    receive: callback => readReceipt(entry, callback, now()),
  }
}

/** The entry as a provider, whose settings are the environment variables that it names. */
export function declare (entry: Entry): Provider {
  const names = variablesIn(entry)
  return {
    provider: entry.name,
    settings: Type.Object(Object.fromEntries(names.map(name => [name, credential(`For ${entry.name}.`)]))),
    open (settings: Settings, io) {
      const env = Object.fromEntries(
        names.flatMap(name => settings[name] === undefined ? [] : [[name, settings[name]]]),
      )
      return Object.keys(env).length < names.length ? null : open(entry, env, io)
    },
  }
}
