import { Type } from 'typebox'
import type { Adapter, AdapterIo, Http, Method, Outcome, ProviderAnswer, Started } from '../../src/adapters/adapter.ts'
import { refusal } from '../../src/adapters/refusal.ts'
import type { Contract } from '../../src/conformance/index.ts'
import { ProviderError } from '../../src/core/errors.ts'
import { toyCall, toyLogin, toySilent } from '../adapters/toy/documented.ts'

/** Mistakes of adapters, each made in the toy provider. */

type Change = {
  adapter?: (adapter: Adapter) => Partial<Adapter>
  /** Of the method under test. */
  facts?: (facts: Method) => Partial<Method>
  io?: (io: AdapterIo) => Partial<AdapterIo>
  open?: Contract['provider']['open']
}
/** `section`: of the promise that the mistake breaks. `says`: what its author reads. */
export type Mistake = { name: string, section: string, says: RegExp, promised: Contract }

function change (promised: Contract, changes: Change): Contract {
  const { adapter: changeAdapter, facts: changeFacts, io: changeIo, open } = changes
  const { provider, method } = promised
  return {
    ...promised,
    provider: {
      ...provider,
      open (settings, io, id) {
        if (open !== undefined) return open(settings, io, id)
        const adapter = provider.open(settings, { ...io, ...changeIo?.(io) }, id)
        if (adapter === null) return null
        const own = method.replace(/^[a-z]+/, id)
        const facts = adapter.methods[own]
        if (facts === undefined) throw new Error(own)
        const methods = { ...adapter.methods, [own]: { ...facts, ...changeFacts?.(facts) } }
        return { ...adapter, methods, ...changeAdapter?.(adapter) }
      },
    },
  }
}

/** The adapter sees other answers than the provider gave. */
const answers = (see: (answer: ProviderAnswer) => ProviderAnswer): Change => ({
  io: ({ openHttp }) => ({
    openHttp (provider, hosts) {
      const http = openHttp(provider, hosts)
      return async request => see(await http(request))
    },
  }),
})
/** The adapter sees another body. */
const bodies = (see: (body: unknown) => unknown): Change => answers(answer => ({ ...answer, body: see(answer.body) }))
const starts = (more: (started: Started) => Partial<Started>): Change => ({
  adapter: ({ start }) => ({
    async start (attempt) {
      const started = await start(attempt)
      return { ...started, ...more(started) }
    },
  }),
})
const resolves = (
  change: (outcome: Outcome, call: { evidence: unknown, repeated: boolean }) => Outcome,
): Change => ({
  adapter: ({ resolve }) => ({
    resolve: async (attempt, evidence, call) => change(await resolve(attempt, evidence, call), { evidence, ...call }),
  }),
})
/** An own client that knows neither deadline nor limits, and follows redirects. */
const fetching: Http = async ({ method, url, headers, body }) => {
  try {
    const response = await fetch(url, { method, headers: headers ?? {}, body: body ?? null })
    return { status: response.status, headers: {}, body: await response.json() }
  } catch {
    throw new ProviderError('toy', 'own', 'provider_error', { retryable: true })
  }
}
let serial = 0

const mistakes: [name: string, section: string, says: RegExp, promised: Contract, change: Change][] = [
  ['any option', 'declared', /additionalProperties: false/, toyCall, { facts: () => ({ options: Type.Object({}) }) }],
  ['an unknown evidence', 'declared', /`evidence` must consist of code/, toyCall, {
    facts: () => ({ evidence: ['pin' as 'code'] }),
  }],
  ['a message that is repeated', 'declared', /each message is counted/, toyCall, {
    facts: () => ({ isRepeatable: true }),
  }],
  ['callbacks without an id', 'declared', /`isFoundByProviderId` must be true/, toyCall, {
    facts: () => ({ isFoundByProviderId: false }),
  }],
  ['a redirect without a returnUrl', 'declared', /`needsReturnUrl` must be true/, toyLogin, {
    facts: () => ({ needsReturnUrl: false }),
  }],
  ['on without credentials', 'settings', /`open` must return null/, toyCall, {
    open: ({ TOY_KEY = 'key-1', TOY_SECRET = 'secret-1', ...others }, io, id) =>
      toyCall.provider.open({ TOY_KEY, TOY_SECRET, ...others }, io, id),
  }],
  ['a value in an error', 'settings', /For an unusable TOY_\w+, `open` must throw/, toyCall, {
    open (settings, io, id) {
      const bad = Object.values(settings).find(value => value?.includes('\n'))
      if (bad !== undefined) throw new Error(`TOY_KEY cannot be ${bad}`)
      return toyCall.provider.open(settings, io, id)
    },
  }],
  ['an action that is not declared', 'start', /must be in `nextActions`/, toyCall, {
    facts: () => ({ nextActions: ['openUrl'] }),
  }],
  ['a date in the state', 'start', /The `state` must survive JSON/, toyCall, starts(() => ({
    state: { id: 'c1', at: new Date(0) as unknown as string },
  }))],
  ['a state that changes', 'start', /it must return the same again/, toyCall, starts(() => ({
    state: { id: 'c1', nonce: serial += 1 },
  }))],
  ['no poll', 'start', /the promised `poll`/, toyCall, {
    adapter: ({ start }) => ({
      async start (attempt) {
        const { poll: _poll, ...started } = await start(attempt)
        return started
      },
    }),
  }],
  ['a price in words', 'start', /Money must be/, toyCall, starts(() => ({ cost: { amount: 1, currency: 'euro' } }))],
  ['no way to send it again', 'resend', /needs `resend` of the adapter/, toyCall, {
    facts: () => ({ resend: { afterMs: 1, times: 1 } }),
  }],
  ['a resend that sends nothing', 'resend', /must query the provider/, toyCall, {
    facts: () => ({ resend: { afterMs: 1, times: 1 } }),
    adapter: () => ({ resend: async () => ({ id: 'c1', state: { id: 'c1' }, action: { type: 'answerCall' } }) }),
  }],
  ['a cancel that sends nothing', 'cancel', /must send the promised request/, toyCall, {
    adapter: () => ({ cancel: async () => {} }),
  }],
  ['a cancel that hides errors', 'cancel', /for the status 500/, toyCall, {
    adapter: ({ cancel }) => ({ cancel: async attempt => cancel?.(attempt).catch(() => {}) }),
  }],
  ['a cancel of nothing', 'cancel', /did not start/, toyCall, {
    adapter: ({ cancel }) => ({ cancel: async attempt => cancel?.({ ...attempt, state: { id: 'c1' } }) }),
  }],
  ['an instance with the name of the provider', 'instances', /must be the `id`/, toyCall, {
    adapter: () => ({ provider: 'toy' }),
  }],
  ['a probe that sends no request', 'probes', /must throw a ProviderError for the status 500/, toyCall, {
    adapter: () => ({ probes: { credentials: async () => {} } }),
  }],
  ['a probe that crashes', 'probes', /must throw nothing but a ProviderError for the status 401/, toyCall, {
    ...answers(answer => {
      if (answer.status === 401) throw new Error('no')
      return answer
    }),
  }],
  ['a reason of its own', 'eligibility', /`canServe` must say null or one of app_not_installed/, toyCall, {
    adapter: () => ({ canServe: () => 'not_here' as 'app_not_installed' }),
  }],
  ['an eligibility that crashes', 'eligibility', /nothing but a ProviderError/, toyCall, {
    adapter: () => ({
      canServe: ({ country }) => country?.startsWith('U') === true ? null : async () => { throw new TypeError('x') },
    }),
  }],
  ['a number without plus', 'good-evidence', /must prove the number/, toyCall, resolves(outcome =>
    outcome.verdict === 'proven' ? { ...outcome, phoneNumber: outcome.phoneNumber.slice(1) } : outcome)],
  ['a stronger assurance', 'good-evidence', /in doubt the weaker one/, toyCall, {
    facts: () => ({ assurance: { possession: 'sim', binding: 'session', restricted: false } }),
  }],
  ['undefined in an outcome', 'good-evidence', /The outcome must survive JSON/, toyCall, resolves(outcome =>
    ({ ...outcome, signals: undefined }) as unknown as Outcome)],
  ['a changed attempt', 'good-evidence', /must throw nothing but a ProviderError.*Cannot/s, toyCall, {
    adapter: ({ resolve }) => ({
      async resolve (attempt, evidence, call) {
        Object(attempt.state).isAsked = true
        return resolve(attempt, evidence, call)
      },
    }),
  }],
  ['a refusal that is a wrong code', 'bad-evidence', /must end as promised: refused/, toyCall, resolves(outcome =>
    outcome.verdict === 'denied' ? { verdict: 'incorrect' } : outcome)],
  ['an endless question', 'bad-evidence', /`retryAfterMs` must be in ms/, toyLogin, resolves(outcome =>
    outcome.verdict === 'pending' ? { ...outcome, retryAfterMs: NaN } : outcome)],
  ['a repeated code that is wrong', 'repeated-evidence', /With `repeated: true`/, toyCall, resolves(
    (outcome, { repeated }) => repeated ? { verdict: 'incorrect' } : outcome,
  )],
  ['a second answer', 'repeated-evidence', /must say the same of the same evidence/, toyCall, resolves(outcome =>
    (serial += 1) % 2 === 0 ? { verdict: 'incorrect' } : outcome)],
  ['evidence of one form', 'other-evidence', /Evidence of any other form.*TypeError/s, toySilent, {
    adapter: ({ resolve }) => ({
      async resolve (attempt, evidence, call) {
        if ((evidence as { code: string }).code.length === 0) throw refusal('toy', 'code', 'evidence_invalid')
        return resolve(attempt, evidence, call)
      },
    }),
  }],
  ['a claim of everything', 'other-evidence', /`singleUse` must return/, toyLogin, {
    adapter: () => ({ singleUse: (_attempt, evidence) => JSON.stringify(evidence) }),
  }],
  ['a strict reader', 'other-writings', /with unknown members/, toyCall, bodies(body =>
    Object.keys(Object(body)).every(name => ['id', 'status'].includes(name)) ? body : undefined)],
  ['null that is a value', 'other-writings', /status is null or absent|id is null or absent/, toyCall, bodies(body =>
    Object(body).id === null ? { ...Object(body), id: 'c1' } : body)],
  ['an unknown status that is a wrong code', 'other-writings', /An unknown word is neither yes nor no/, toySilent,
    bodies(body => /quite/.test(String(Object(body).status)) ? { ...Object(body), status: 'wrong' } : body)],
  ['JSON by its content type', 'other-writings', /as text\/html/, toyCall, answers(answer =>
    answer.headers['content-type'] === 'text/html' ? { ...answer, body: undefined } : answer)],
  ['garbage that proves', 'other-answers', /must prove nothing/, toyCall, bodies(body =>
    Object(body).status === undefined ? { id: 'c1', status: 'proven' } : body)],
  ['a 403 that is a proof', 'statuses', /Every HTTP status.*403/s, toyCall, answers(answer =>
    answer.status === 403 ? { ...answer, status: 200, body: { id: 'c1', status: 'proven' } } : answer)],
  ['a redirect that is followed', 'statuses', /Every HTTP status|must not be followed/, toyCall, {
    io: () => ({ openHttp: () => fetching }),
  }],
  ['a start that is not swept', 'statuses', /`refusals` must have an entry/, { ...toyCall, refusals: [] }, {}],
  ['an answer of any size', 'damaged-answers', /start, longer than 256 KiB/, toyCall, {
    io: ({ openHttp }) => ({
      openHttp (provider, hosts) {
        const http = openHttp(provider, hosts)
        return async request => http(request).catch(() => fetching(request))
      },
    }),
  }],
  ['an outage that starts', 'damaged-answers', /damaged answer must be the provider's fault/, toyCall, {
    adapter: ({ start }) => ({
      start: attempt => start(attempt).catch(() => ({ id: 'c1', state: null, action: { type: 'answerCall' } })),
    }),
  }],
  ['a callback that is read otherwise', 'callbacks', /must be read as promised/, toyCall, {
    adapter: ({ receive }) => ({
      receive (callback) {
        const received = receive?.(callback) ?? null
        return received !== null && 'type' in received && received.type === 'delivery' ? null : received
      },
    }),
  }],
  ['a callback that crashes', 'callbacks', /must be for no attempt, and throw nothing/, toyCall, {
    adapter: ({ receive }) => ({
      receive (callback) {
        if ((callback.body as { id: string }).id === '') return null
        return receive?.(callback) ?? null
      },
    }),
  }],
  ['a channel in capitals', 'callbacks', /A receipt must have/, {
    ...toyCall,
    callbacks: [{
      callback: {}, received: {
        providerId: 'c1', type: 'delivery', delivery: { status: 'delivered', channel: 'SMS', at: 1 },
      },
    }],
  }, {
    adapter: () => ({
      receive: () => ({ providerId: 'c1', type: 'delivery', delivery: { status: 'delivered', channel: 'SMS', at: 1 } }),
    }),
  }],
  ['a redirect for any attempt', 'redirects', /Any other redirect|must be read as promised/, toyLogin, {
    adapter: () => ({ readReturn: (_attempt, { code }) => code === undefined ? null : { code } }),
  }],
  ['a key of any form', 'redirects', /`findKey` must find nothing|must find the promised key/, toyLogin, {
    adapter: () => ({ findKey: ({ state }) => state ?? null }),
  }],
  ['no signature', 'signatures', /An altered callback must be refused/, toyCall, {
    adapter: ({ receive }) => ({
      receive ({ headers, body, ...callback }) {
        const { headers: signed = {}, rawBody = Buffer.alloc(0) } = toyCall.sign?.(body) ?? {}
        return receive?.({ ...callback, body, headers: { ...headers, ...signed }, rawBody }) ?? null
      },
    }),
  }],
  ['a secret in an error', 'secrets', /No secret, no phone number.*word: 'key-1'/s, toyCall, {
    adapter: ({ resolve }) => ({
      resolve: (attempt, evidence, call) => resolve(attempt, evidence, call).catch((error: unknown) => {
        throw error instanceof ProviderError ? Object.assign(error, { cause: { key: 'key-1' } }) : error
      }),
    }),
  }],
  ['an answer that repeats the number', 'secrets', /word: '14155550100'/, toyCall, answers(answer => ({
    ...answer, describe: () => ({
      status: answer.status, code: null, text: /\d{11}/.exec(JSON.stringify(answer.body) ?? '')?.[0] ?? null,
    }),
  }))],
  ['the name of another provider', 'secrets', /must name the provider/, toyCall, {
    adapter: ({ resolve }) => ({
      resolve: (attempt, evidence, call) => resolve(attempt, evidence, call).catch(() => {
        throw refusal('other', 'x', 'provider_error')
      }),
    }),
  }],
]

export const brokenContracts: readonly Mistake[] = mistakes.map(([name, section, says, promised, changes]) =>
  ({ name, section, says, promised: change(promised, changes) }))
