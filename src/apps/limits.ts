import { limitOf, type App, type Apps, type LimitName } from './apps.ts'
import { ApiError, type RefusalCause } from '../core/errors.ts'
import type { Reason } from '../core/reasons.ts'
import type { Verification } from '../core/verification.ts'
import { type Sealer, numberTag } from '../store/sealing.ts'
import type { Counter, CounterExceeded } from '../store/record-store.ts'
import { networkOf } from '../net.ts'

/** Whose number is counted. */
export type Target = Pick<Verification, 'appId' | 'phoneNumber' | 'country'>

/**
 * What is about to start. `isFirst`: the verification has started no method before; `isFirstMessage`: it has sent no
 * message before.
 */
export type StartFacts = {
  name: string, sendsMessage?: boolean, codeAttempts?: number, maxPerNumberPerDay?: number
  isFirst: boolean, isFirstMessage: boolean
}

/**
 * How a workflow goes on without a method: its attempt is skipped with this reason. Null shows nothing about other apps
 * and numbers. `isOfEveryMessage`: no other method may send a message now either.
 */
export type Skip = { reason: Reason | null, isOfEveryMessage: boolean }
/** Why something was refused. `skip` is there when the refusal concerns methods. */
export type LimitRefusal = { error: ApiError, skip?: Skip }

/**
 * Exact limits: the store counts in the same write that begins what is counted. What a stranger can do to a number
 * (send messages to it, submit wrong codes for it) closes methods that send messages, and never a silent one; silent
 * verifications, which may cost money as well, are counted apart, and close no message.
 */
export type Limits = {
  /** The counters of a create with `device.ip`. */
  forCreate (app: App, ip: string, at: number): Counter[]
  /** The counters of an attempt that starts: of its message, and of the codes that it would accept. */
  forStart (target: Target, start: StartFacts, at: number): Counter[]
  /** The counters of a message that is sent again. */
  forMessage (target: Target, at: number): Counter[]
  /** The counters of wrong codes, which must be below the app's limits before a code is checked. */
  forCode (target: Target, at: number): Counter[]
  /** The counters that count one more wrong code. */
  forWrongCode (target: Target, at: number): Counter[]
  /** What a counter means that has reached its limit. Throws `TypeError` for a counter of something else. */
  refuse (exceeded: CounterExceeded, phoneNumber: string | null): LimitRefusal
}

/** Messages to one number over all apps. `exemptApp`: the id of the sandbox's app. */
export type NumberLimits = { perHour: number, perDay: number, exemptApp: string | null }

export type LimitsParts = {
  sealer: Pick<Sealer, 'keyedHash' | 'names'>
  apps: Pick<Apps, 'byId'>
  messagesPerNumber: NumberLimits
}

const hourMs = 3_600_000
const dayMs = 24 * hourMs
const prefixDropsDigits = 4

const [hour, day] = [{ windowMs: hourMs }, { windowMs: dayMs }]
/** The method is skipped for a cause that the app may know, because it lies with the app itself. */
const retried = { reason: 'recently_tried', isOfEveryMessage: false } as const
const guessed = { reason: 'code_attempts_exhausted', isOfEveryMessage: false } as const
/** The cause may lie with another app, or with other numbers: the reason shows nothing about it. */
const unexplained = { reason: null, isOfEveryMessage: true }

const wrongCodes = { cause: 'code_limit', skip: guessed, detail: 'Too many wrong codes for this number.' } as const
const messages = { cause: 'message_limit', skip: unexplained, detail: 'Too many messages to this number.' } as const

/** The fields of the counters begin with these. `limit`: the app's; null: it is that of the method or the gateway. */
const kinds = {
  creates: {
    ...hour, limit: 'createsPerNumberPerHour', cause: 'number_limit', skip: { ...retried, isOfEveryMessage: true },
    detail: 'Too many verifications of this number.',
  },
  silent: {
    ...hour, limit: 'createsPerNumberPerHour', cause: 'number_limit', skip: retried,
    detail: 'Too many verifications of this number.',
  },
  starts: {
    ...day, limit: null, cause: 'number_limit', skip: retried, detail: 'Too many verifications of this number.',
  },
  codes: { ...hour, limit: 'wrongCodesPerNumberPerHour', ...wrongCodes },
  dayCodes: { ...day, limit: 'wrongCodesPerNumberPerDay', ...wrongCodes },
  messages: { ...hour, limit: null, ...messages },
  dayMessages: { ...day, limit: null, ...messages },
  app: {
    ...hour, limit: 'messagesPerAppPerHour', cause: 'app_message_limit', skip: unexplained,
    detail: 'This app sends too many messages.',
  },
  prefix: {
    ...hour, limit: 'createsPerPrefixPerHour', cause: 'prefix_limit', skip: unexplained,
    detail: 'Too many verifications of numbers like this one.',
  },
  country: {
    ...hour, limit: 'createsPerCountryPerHour', cause: 'country_limit', skip: unexplained,
    detail: 'Too many verifications of numbers of this country.',
  },
  ip: {
    ...hour, limit: 'createsPerIpPerHour', cause: 'ip_limit', skip: undefined,
    detail: 'Too many verifications from this address.',
  },
} as const satisfies Record<
  string,
  { windowMs: number, limit: LimitName | null, cause: RefusalCause, skip: Skip | undefined, detail: string }
>
type Kind = keyof typeof kinds
/** Counters in the table of an app's verifications of a number. */
type NumberKind = 'creates' | 'silent' | 'codes' | 'dayCodes'
/** Counters that belong to no single number, so that their own names decide their partitions. */
type SharedKind = 'app' | 'prefix' | 'country' | 'ip'
const codeKinds = ['codes', 'dayCodes'] as const
const isKind = (word: string): word is Kind => Object.hasOwn(kinds, word)

/** The names of a method in Redis, one for each key of `SEAL_KEYS`. */
export const methodTags = (names: Sealer['names'], method: string): string[] =>
  names('method', method).map(({ name }) => name.slice(0, 8))

/** A number's counters are in its tables, those of the app and those of all apps; each other counter has its own. */
export function createLimits ({ sealer, apps, messagesPerNumber }: LimitsParts): Limits {
  const { perHour, perDay, exemptApp } = messagesPerNumber
  const nameOf = ({ appId, phoneNumber }: Target): string =>
    sealer.names('number', `${appId} ${phoneNumber}`)[0]?.name ?? ''
  const counterOf = (kind: Kind, name: string, below: number | null, at: number): Counter =>
    ({ name, field: kind, add: 1, below, expiresAt: at + kinds[kind].windowMs })

  function countOfNumber (kind: NumberKind, target: Target, at: number): Counter[] {
    const below = limitOf(apps.byId(target.appId), kinds[kind].limit)
    return below === null ? [] : [counterOf(kind, nameOf(target), below, at)]
  }

  function countShared (kind: SharedKind, app: App | null, text: string, at: number): Counter[] {
    const below = limitOf(app, kinds[kind].limit)
    const [key] = below === null ? [] : sealer.names(kind, text)
    return key === undefined ? [] : [{ ...counterOf(kind, key.name, below, at), partition: key.partition }]
  }

  function forMessage ({ appId, phoneNumber }: Target, at: number): Counter[] {
    if (phoneNumber === null) return []
    const sent = countShared('app', apps.byId(appId), appId, at)
    if (appId === exemptApp) return sent
    const [place] = sealer.names('place', phoneNumber)
    if (place === undefined) return sent
    const { name, partition } = place
    return [
      { ...counterOf('messages', name, perHour, at), partition },
      { ...counterOf('dayMessages', name, perDay, at), partition }, ...sent,
    ]
  }

  /** The first message of a verification counts the verification itself. */
  function forFirstMessage (target: Target, at: number): Counter[] {
    const { appId, phoneNumber, country } = target
    if (phoneNumber === null) return []
    const app = apps.byId(appId)
    return [
      ...countOfNumber('creates', target, at),
      ...countShared('prefix', app, `${appId} ${phoneNumber.slice(0, -prefixDropsDigits)}`, at),
      ...country === undefined ? [] : countShared('country', app, `${appId} ${country}`, at),
    ]
  }

  const forCode = (target: Target, at: number): Counter[] => target.phoneNumber === null
    ? []
    : codeKinds.flatMap(kind => countOfNumber(kind, target, at)).map(counter => ({ ...counter, add: 0 }))

  function forMethod (name: string, maxPerDay: number | undefined, target: Target, at: number): Counter[] {
    if (maxPerDay === undefined) return []
    const [tag] = methodTags(sealer.names, name)
    return [{ ...counterOf('starts', nameOf(target), maxPerDay, at), field: `starts.${tag}` }]
  }

  return {
    forCreate: (app, ip, at) => countShared('ip', app, `${app.id} ${networkOf(ip)}`, at),
    forStart (target, { name, sendsMessage, codeAttempts, maxPerNumberPerDay, isFirst, isFirstMessage }, at) {
      if (target.phoneNumber === null) return []
      if (sendsMessage !== true) return isFirst ? countOfNumber('silent', target, at) : []
      return [
        ...isFirstMessage ? forFirstMessage(target, at) : [],
        ...codeAttempts === undefined ? [] : forCode(target, at),
        ...forMethod(name, maxPerNumberPerDay, target, at),
        ...forMessage(target, at),
      ]
    },
    forMessage,
    forCode,
    forWrongCode: (target, at) => codeKinds.map(kind => counterOf(kind, nameOf(target), null, at)),
    refuse: (counter, phoneNumber) => refuse(sealer, counter, phoneNumber),
  }
}

function refuse (
  sealer: LimitsParts['sealer'], { field = '', retryAfterMs }: CounterExceeded, phoneNumber: string | null,
): LimitRefusal {
  const kind = field.split('.', 1)[0] ?? ''
  if (!isKind(kind)) throw new TypeError('not a counter of a limit')
  const { cause, detail, skip } = kinds[kind]
  const refusal = phoneNumber === null ? { cause } : { cause, numberTag: numberTag(sealer, phoneNumber) }
  const error = new ApiError(
    'rate_limited', detail, { retryAfterSeconds: Math.max(1, retryAfterMs / 1000), refusal },
  )
  return skip === undefined ? { error } : { error, skip }
}
