import { Type } from 'typebox'
import type {
  Adapter, AttemptContext, EligibilityQuestion, LinkContext, Method, Outcome, Received, Started,
} from '../../src/adapters/adapter.ts'
import type { EligibilityReason } from '../../src/core/reasons.ts'
import type { Json } from '../../src/core/vocabulary.ts'

const options = Type.Object(
  { length: Type.Optional(Type.Union([Type.Literal(4), Type.Literal(6)])) }, { additionalProperties: false },
)
const method = (more: Partial<Method>): Method => ({
  needsPhoneNumber: true, evidence: ['code'], nextActions: ['submitCode'], timeoutMs: 60_000, isRepeatable: false,
  sendsMessage: false, userStep: 'does something', options,
  assurance: { possession: 'message', binding: 'session', restricted: false }, ...more,
})

/** One method of each kind that the gateway treats differently. */
const methods = {
  code: method({ defaultRank: 3, codeAttempts: 3, sendsMessage: true, resend: { afterMs: 30_000, times: 2 } }),
  local: method({ codeAttempts: 3, judgesLocally: true }),
  silent: method({
    defaultRank: 1, isRepeatable: true, evidence: ['code', 'none'], nextActions: ['openUrlOnCellular'],
  }),
  push: method({
    sendsMessage: true, evidence: [], nextActions: ['approveOnDevice'], oncePerNumberMs: 300_000, maxPerNumberPerDay: 3,
  }),
  web: method({
    needsPhoneNumber: false, startsLocally: true, defaultRank: 4, evidence: [], nextActions: ['openDeepLink'],
  }),
  token: method({ needsPhoneNumber: false, evidence: ['token'], nextActions: ['submitToken'] }),
  poll: method({ evidence: ['none'], nextActions: ['answerCall'] }),
  operator: method({
    needsReturnUrl: true, redirect: 'fixed', nextActions: ['openUrlOnCellular'], isFoundByProviderId: true,
  }),
}
const actions: Record<keyof typeof methods, Started['action']> = {
  code: { type: 'submitCode', length: 6, channels: ['SMS'] },
  local: { type: 'submitCode', length: 6, channels: ['SMS'] },
  silent: { type: 'openUrlOnCellular', url: 'https://toy.example/', finish: 'code' },
  push: { type: 'approveOnDevice', app: 'toy' },
  web: { type: 'openDeepLink', url: '', platforms: ['android'], notOpenedAfterMs: 600 },
  token: { type: 'submitToken', sdk: 'toy', params: {} },
  poll: { type: 'answerCall' },
  operator: { type: 'openUrlOnCellular', url: 'https://toy.example/', finish: 'code' },
}

const buildLink = ({ callbackKey, locale, options }: LinkContext): string =>
  `toy://${callbackKey}/${locale}/${JSON.stringify(options)}`

export type ToyCall = {
  call: 'start' | 'resend' | 'resolve' | 'cancel', attempt: AttemptContext, evidence?: Json, repeated?: boolean,
}

/** A provider in this process. Every call is recorded; a test replaces the answers it is about. */
export type Toy = {
  adapter: Adapter
  calls: ToyCall[]
  /** What `canServe` was asked. */
  questions: EligibilityQuestion[]
  /** The calls of one kind, as the methods they were for. */
  called (call: ToyCall['call']): string[]
  answers: {
    canServe (question: EligibilityQuestion): Promise<EligibilityReason | null>
    start (attempt: AttemptContext): Promise<Started>
    resend (attempt: AttemptContext): Promise<Started>
    resolve (attempt: AttemptContext, evidence: Json): Promise<Outcome>
    cancel (attempt: AttemptContext): Promise<void>
  }
}

/** The code that this provider accepts, and the number that it discovers. */
export const goodCode = '123456'
export const discovered = '+14155550199'

export function createToyProvider (provider: string): Toy {
  const calls: ToyCall[] = []
  const questions: EligibilityQuestion[] = []
  const answers: Toy['answers'] = {
    canServe: async () => null,
    start: async attempt => {
      const kind = attempt.method.slice(provider.length + 1) as keyof typeof methods
      const action = kind === 'web' ? { ...actions.web, url: buildLink(attempt) } : actions[kind]
      const started = { state: { sent: calls.length }, action }
      return kind === 'poll' ? { ...started, poll: { afterMs: 2_000 } } : started
    },
    resend: async () => ({ state: { sent: calls.length }, action: actions.code }),
    resolve: async ({ phoneNumber }, evidence) => {
      const { code, token } = Object(evidence)
      if (code === undefined && token === undefined) return { verdict: 'pending', retryAfterMs: 1_000 }
      if (code !== undefined && code !== goodCode) return { verdict: 'incorrect' }
      if (token === 'forged') return { verdict: 'denied', reason: 'evidence_invalid' }
      return { verdict: 'proven', phoneNumber: phoneNumber ?? discovered, profile: { gender: 'x' } }
    },
    cancel: async () => {},
  }
  const adapter: Adapter = {
    provider,
    methods: Object.fromEntries(Object.entries(methods).map(([name, each]) => [`${provider}.${name}`, each])),
    links: { [`${provider}.web`]: buildLink },
    canServe: question => () => {
      questions.push(question)
      return answers.canServe(question)
    },
    start (attempt) {
      calls.push({ call: 'start', attempt })
      return answers.start(attempt)
    },
    resend (attempt) {
      calls.push({ call: 'resend', attempt })
      return answers.resend(attempt)
    },
    resolve (attempt, evidence, { repeated }) {
      calls.push({ call: 'resolve', attempt, evidence, repeated })
      return answers.resolve(attempt, evidence)
    },
    cancel (attempt) {
      calls.push({ call: 'cancel', attempt })
      return answers.cancel(attempt)
    },
    // A callback of this provider is what it means, word for word.
    receive: ({ key, body }) => 
    typeof body === 'object' && body !== null ? { ...'providerId' in body ? {} : { key }, ...body } as Received : null,
    readReturn: (_attempt, { code }) => code === undefined ? null : { code },
    findKey: ({ state }) => state ?? null,
    singleUse: (_attempt, evidence) => Object(evidence).token ?? null,
  }
  return {
    adapter, calls, questions, answers,
    called: call => calls.filter(each => each.call === call).map(({ attempt }) => attempt.method),
  }
}
