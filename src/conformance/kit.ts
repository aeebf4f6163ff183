import type {
  Adapter, AdapterIo, AttemptContext, Callback, Method, Provider, Received, Refused, Returned, Started,
} from '../adapters/adapter.ts'
import type { Assurance } from '../core/assurance.ts'
import { ProviderError } from '../core/errors.ts'
import type { Action, Json } from '../core/vocabulary.ts'
import { anAttempt, endingOf, openAdapter, openIo, type Ending } from './attempt.ts'
import { createExpect, type Runner } from './runner.ts'
import { openVendor, type Answer, type Call, type Vendor } from './vendor.ts'

/** What an adapter promises about one method, for `contract` to check. */
export type Contract = {
  provider: Provider
  method: string
  settings: (vendor: Vendor) => Record<string, string>
  /** Texts that no error may contain. */
  secrets: string[]
  attempt: Partial<AttemptContext>
  /** The vendor's normal answers. */
  vendor: (vendor: Vendor, call: Call) => Answer
  action: (vendor: Vendor) => Action
  /** How often `start` asks the gateway to poll; absent where it does not. */
  poll?: Started['poll']
  /** Evidence that proves `phoneNumber` once the attempt has started. */
  good: { evidence: Json, proven: { phoneNumber: string } & Record<string, unknown> }
  /** How strong the proof by the good evidence is. */
  assurance: Assurance
  bad: {
    name: string, evidence?: Json, vendor?: (call: Call) => Answer | null, repeated?: boolean, ends: Partial<Ending>,
  }[]
  /**
   * The ending of a 4xx of the start or the result call (with `{}` as body), where it is not a bad response. `state`:
   * that of the attempt, where an earlier `resolve` has changed it.
   */
  refusals: {
    call: (call: Call) => boolean, phase: Phase, ends: (status: number) => Partial<Ending> | null, state?: Json,
  }[]
  callbacks?: { callback: Partial<Callback>, received: Received | Refused | null }[]
  /** Callbacks carry a signature over the body: an altered one is refused. This signs a body as the vendor does. */
  sign?: (body: unknown) => Partial<Callback>
  /** What of a header may be altered without a meaning, such as the name of a parameter that may be absent. */
  unsigned?: RegExp
  /** The part of the good evidence that is valid once; null where the provider binds it to the attempt. */
  singleUse: string | null
  /** Queries of a browser redirect, what they bring, and, where the redirect URL is fixed, the key found in them. */
  returns?: { query: Record<string, string>, returned: Returned | null, key?: string | null }[]
  /** A redirect brings nothing but a code: only our key in its path names the attempt. */
  isBoundByPath?: boolean
  /** The request by which `cancel` ends the attempt. */
  cancel?: (call: Call) => boolean
  /** `start` needs random bytes. */
  usesRandomness?: boolean
}

export type Phase = 'start' | 'resolve'

/** An attempt that has started, with its adapter and its vendor. */
export type Kit = {
  promised: Contract
  facts: Method
  vendor: Vendor
  normally: Vendor['answer']
  adapter: Adapter
  /** A new adapter: it has no cached token that would save a call. */
  open: (io?: AdapterIo) => Adapter
  openIo: (options?: Parameters<typeof openIo>[1]) => AdapterIo
  attempt: AttemptContext
  started: Started
  run: (phase: Phase, how?: How) => Promise<Ending>
  /** Whether a call of the adapter sends a request. */
  talks: Readonly<Record<Phase, boolean>>
  errors: ProviderError[]
  /** What the provider said when it refused: for the operator. */
  answers: unknown[]
}
export type How = { evidence?: Json, repeated?: boolean, by?: Adapter, known?: Json }

/** Freezes what an adapter receives, so that it cannot change it unseen. */
export function freeze<T> (value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value
  Object.values(Object.freeze(value)).forEach(freeze)
  return value
}

/** Starts an attempt by the vendor's normal answers. */
export async function prepare (t: Runner, promised: Contract): Promise<Kit> {
  const expect = createExpect('what-you-write')
  const { provider, method } = promised
  const vendor = await openVendor(t, promised.vendor)
  const normally = vendor.answer
  const attempt = freeze(anAttempt({ method, ...promised.attempt }))
  const at = Date.now()
  const openWith: Kit['openIo'] = options => openIo(t, { now: () => at, ...options })
  const patient = openWith({ randomBytes: size => Buffer.alloc(size, 1) })
  const open = (io = patient): Adapter => openAdapter(provider, promised.settings(vendor), io)
  const adapter = open()
  const facts = adapter.methods[method]
  if (facts === undefined) {
    return expect.fail(`The adapter must have the method ${method}.`, { found: Object.keys(adapter.methods) })
  }

  const errors: ProviderError[] = []
  const answers: unknown[] = []
  const begin = (): Promise<Started> => adapter.start(attempt).catch((error: unknown) => expect.fail(
    '`start` must succeed with the answers of `vendor`.', { found: error, requests: vendor.calls.map(nameOf) },
  ))
  const started = freeze(await begin())
  const run: Kit['run'] = async (phase, how = {}) => {
    const { evidence = promised.good.evidence, repeated = false, by = adapter, known = started.state } = how
    const working = phase === 'start'
      ? by.start(attempt) : by.resolve(freeze({ ...attempt, state: known }), freeze(evidence), { repeated })
    const ending = await endingOf(working, error => errors.push(error))
    if ('verdict' in ending && ending.verdict === 'denied') answers.push(ending.vendor)
    return ending
  }
  // Once more, because a token may be cached now.
  const countCalls = async (work: () => Promise<unknown>): Promise<number> => {
    const before = vendor.calls.length
    await work()
    return vendor.calls.length - before
  }
  const talks = {
    start: await countCalls(begin) > 0,
    resolve: await countCalls(() => run('resolve').catch(() => {})) > 0,
  }
  return {
    promised, facts, vendor, normally, adapter, open, openIo: openWith, attempt, started, run, talks, errors, answers,
  }
}

const nameOf = ({ method, path }: Call): string => `${method} ${path}`

