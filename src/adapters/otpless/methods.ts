import { Type } from 'typebox'
import type { Action, Json } from '../../core/vocabulary.ts'
import { digitsOf } from '../../phone.ts'
import type { AttemptContext, Method } from '../adapter.ts'
import { readList } from '../message.ts'
import { assuranceOfOtp } from './assurance.ts'
import { writeMetadata } from './wire.ts'

// https://otpless.com/docs/api-reference/endpoint/sign-in: one row for each way to sign in

/** A method that begins with a request to `initiate/…`. */
export type Flow = {
  method: Method
  /** The last part of the request's path. */
  path: string
  /** The body of the request. `expiry`: seconds until the attempt ends. */
  request (attempt: AttemptContext, expiry: number): { [name: string]: Json }
  /** `link`: the one in the answer; '' unless the method `hasLink`. */
  action (options: Options, link: string): Action
  hasLink?: boolean
  /** The user may type the code of the message. */
  takesOtp?: boolean
  /** The link comes back to the front end with a code. */
  takesCode?: boolean
  /** The user completes the method elsewhere, so only the status of the request shows the result. */
  isPolled? (options: Options): boolean
}
type Options = AttemptContext['options']

const minCodeLength = 4
const codeLength = 6
const defaultChannels = ['SMS']
const otpChannels = ['WHATSAPP', 'SMS', 'VOICE_CALL', 'VIBER']
const linkChannels = ['WHATSAPP', 'SMS', 'VIBER']
/** Only an account that holds a number proves one: WhatsApp and Truecaller. The others have an e-mail address. */
const accounts = [
  'WHATSAPP', 'TRUE_CALLER', 'TWITTER', 'GOOGLE', 'APPLE', 'LINKEDIN', 'MICROSOFT', 'FACEBOOK', 'INSTAGRAM', 'LINE',
  'SLACK', 'DROPBOX', 'GITHUB', 'BITBUCKET', 'ATLASSIAN', 'LINEAR', 'GITLAB', 'TIKTOK', 'TWITCH', 'TELEGRAM', 'HUBSPOT',
  'NOTION', 'BOX', 'XERO',
]

const accountMeaning = '`WHATSAPP` (default), `TRUE_CALLER`, or an account without a number, such as `GOOGLE`'

const noOptions = Type.Object({}, { additionalProperties: false })
const channelsOption = (known: string[]) => ({
  channels: Type.Optional(Type.Array(Type.Enum(known), {
    minItems: 1, maxItems: known.length, uniqueItems: true,
    description: `a list of ${known.map(name => `\`${name}\``).join(', ')}, tried in this order (default: \`SMS\`)`,
  })),
})

function readChannels ({ channels }: Options, known: readonly string[]): string[] {
  const chosen = readList(channels, known.length).flatMap(channel => known.find(name => name === channel) ?? [])
  return chosen.length > 0 ? chosen : defaultChannels
}

const readCodeLength = (options: Options): number =>
  options['codeLength'] === minCodeLength ? minCodeLength : codeLength
const readAccount = (options: Options): string => accounts.find(name => name === options['channel']) ?? 'WHATSAPP'
/** The vendor's page requires the status API for Truecaller, and documents no code. */
const isTruecaller = (options: Options): boolean => readAccount(options) === 'TRUE_CALLER'

function numberOf ({ method, phoneNumber }: AttemptContext): string {
  if (phoneNumber === null) throw new Error(`${method} needs a phone number`)
  return phoneNumber
}

/** A message with a code, a link or both; a resend is a new request. */
const message = {
  needsPhoneNumber: true, isRepeatable: false, sendsMessage: true, timeoutMs: 300_000, isFoundByProviderId: true,
  resend: { afterMs: 30_000, times: 2 },
} as const
const maxWrongCodes = 5
const link: Method = {
  ...message, evidence: ['code'], nextActions: ['openMessageLink'], needsReturnUrl: true,
  userStep: 'opens the link of a message',
  // The code of the link comes back through the front end.
  assurance: options => assuranceOfOtp(readChannels(options, linkChannels)),
  options: Type.Object(channelsOption(linkChannels), { additionalProperties: false }),
}
const linkRequest = (attempt: AttemptContext, expiry: number) => ({
  redirectURI: attempt.redirectUrl, phoneNumber: numberOf(attempt), expiry,
  channels: readChannels(attempt.options, linkChannels), metadata: writeMetadata(attempt.callbackKey),
})
const openMessageLink = (options: Options): Action =>
  ({ type: 'openMessageLink', channels: readChannels(options, linkChannels) })

export const flows: Readonly<Record<string, Flow>> = {
  'otpless.otp': {
    method: {
      ...message, evidence: ['code'], nextActions: ['submitCode'], defaultRank: 3, codeAttempts: maxWrongCodes,
      userStep: 'types a code',
      assurance: options => assuranceOfOtp(readChannels(options, otpChannels)),
      options: Type.Object({
        ...channelsOption(otpChannels),
        codeLength: Type.Optional(Type.Union([Type.Literal(minCodeLength), Type.Literal(codeLength)], {
          description: `\`${codeLength}\` (default), or \`${minCodeLength}\` where the app has \`weakCodes\``,
        })),
      }, { additionalProperties: false }),
    },
    path: 'otp',
    request: (attempt, expiry) => ({
      phoneNumber: numberOf(attempt), channels: readChannels(attempt.options, otpChannels), expiry,
      otpLength: readCodeLength(attempt.options), metadata: writeMetadata(attempt.callbackKey),
    }),
    action: options =>
      ({ type: 'submitCode', length: readCodeLength(options), channels: readChannels(options, otpChannels) }),
    takesOtp: true,
  },
  'otpless.magic_link': {
    method: link, path: 'magiclink', request: linkRequest, action: openMessageLink, takesCode: true,
  },
  /** The message has a link and a code, and the user uses one of them. */
  'otpless.otp_link': {
    method: { ...link, codeAttempts: maxWrongCodes, userStep: 'opens the link of a message, or types its code' },
    path: 'otplink',
    request: (attempt, expiry) => ({ ...linkRequest(attempt, expiry), otpLength: codeLength }),
    action: openMessageLink, takesCode: true, takesOtp: true,
  },
  'otpless.oauth': {
    method: {
      needsPhoneNumber: false, isRepeatable: true, sendsMessage: false, timeoutMs: 300_000, isFoundByProviderId: true,
      evidence: ['code', 'none'], nextActions: ['openUrl'], needsReturnUrl: true,
      userStep: 'signs in with another account',
      assurance: options =>
        ({ possession: 'account', binding: isTruecaller(options) ? 'none' : 'session', restricted: false }),
      options: Type.Object(
        { channel: Type.Optional(Type.Enum(accounts, { description: accountMeaning })) },
        { additionalProperties: false },
      ),
    },
    path: 'oauth',
    request: ({ options, redirectUrl }) => ({ channel: readAccount(options), redirectURI: redirectUrl }),
    action: (_options, url) => ({ type: 'openUrl', url }),
    hasLink: true, takesCode: true, isPolled: isTruecaller,
  },
  'otpless.voice_approval': {
    method: {
      needsPhoneNumber: true, isRepeatable: false, sendsMessage: true, timeoutMs: 120_000, isFoundByProviderId: true,
      evidence: ['none'], nextActions: ['answerCall'], options: noOptions,
      userStep: 'approves a call',
      assurance: { possession: 'message', binding: 'none', restricted: true },
    },
    path: 'voice_approval',
    request: attempt => ({ phoneNumber: digitsOf(numberOf(attempt)) }),
    action: () => ({ type: 'answerCall' }),
    isPolled: () => true,
  },
  'otpless.sna': {
    method: {
      needsPhoneNumber: true, isRepeatable: true, sendsMessage: false, timeoutMs: 60_000, isFoundByProviderId: true,
      evidence: ['none'], nextActions: ['openUrlOnCellular'], options: noOptions,
      userStep: 'opens a URL over mobile data',
      // Anyone who opens the link completes the check.
      assurance: { possession: 'sim', binding: 'none', restricted: false },
    },
    path: 'sna',
    request: (attempt, expiry) => ({
      phoneNumber: digitsOf(numberOf(attempt)), expiry, metadata: writeMetadata(attempt.callbackKey),
    }),
    action: (_options, url) => ({ type: 'openUrlOnCellular', url, finish: 'none' }),
    hasLink: true,
    isPolled: () => true,
  },
}

/** The front-end SDK carries out the login and returns a token. */
export const token: Method = {
  needsPhoneNumber: false, isRepeatable: true, sendsMessage: false, startsLocally: true, timeoutMs: 300_000,
  evidence: ['token'], nextActions: ['submitToken'], defaultRank: 5, options: noOptions,
  userStep: 'signs in with the OTPLESS SDK',
  // The least that a token can prove; the token itself says how the number was verified.
  assurance: { possession: 'account', binding: 'session', restricted: false },
}
