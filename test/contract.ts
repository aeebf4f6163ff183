import { randomBytes as cryptoRandomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import { isDeepStrictEqual, inspect } from 'node:util'
import fc from 'fast-check'
import type tap from 'tap'
import type {
  Adapter, AdapterIo, AttemptContext, Callback, Eligibility, EligibilityQuestion, Outcome, Provider, Received, Refused,
  Returned, Started,
} from '../src/adapters/adapter.ts'
import { assuranceOf, type Assurance } from '../src/core/assurance.ts'
import { ProviderError } from '../src/core/errors.ts'
import { createHttp } from '../src/adapters/http.ts'
import { digitsOf, parsePhoneNumber } from '../src/phone.ts'
import { reasons } from '../src/core/reasons.ts'
import type { Action, EvidenceKind, Json } from '../src/core/vocabulary.ts'
import { readsAlike } from './tolerance.ts'

type Test = Pick<typeof tap, 'test' | 'teardown' | 'ok' | 'same'>
type Owner = { teardown (run: () => unknown): void }
export type Call = { method: string, path: string, headers: IncomingHttpHeaders, text: string, body: unknown }
/** A text is sent as it is, anything else as JSON; no status is 200. */
export type Answer = { status?: number, body?: unknown, headers?: Record<string, string> } | 'hang'
export type Vendor = { origin: string, host: string, calls: Call[], answer: (call: Call) => Answer }
export type Ending = Outcome | { started: Action, state: Json } | { failed: string, retryable: boolean }

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
    call: (call: Call) => boolean, phase: 'start' | 'resolve', ends: (status: number) => Partial<Ending> | null,
    state?: Json,
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

export const callbackKey = 'AbCdEfGhIjKlMnOpQrStUvWxYz0123456789-_AbCdEfGhIj'
export const callbackUrl = `https://verify.example/callbacks/acme/${callbackKey}`
const deep = `${'['.repeat(50_000)}${']'.repeat(50_000)}`
const unknown: Assurance = { possession: 'account', binding: 'none', restricted: true }
const badResponse = { failed: 'provider_bad_response', retryable: false }

/** A provider's server: the test sets its answers, and reads its requests. */
export async function openVendor (t: Owner, answer: (vendor: Vendor, call: Call) => Answer): Promise<Vendor> {
  const server = createServer(async (req, res) => {
    const chunks: Buffer[] = []
    for await (const chunk of req) chunks.push(chunk)
    const text = Buffer.concat(chunks).toString()
    const call = { method: req.method ?? '', path: req.url ?? '', headers: req.headers, text, body: parse(text) }
    vendor.calls.push(call)
    const given = vendor.answer(call)
    if (given === 'hang') return
    const body = typeof given.body === 'string' ? given.body : JSON.stringify(given.body ?? {})
    const status = given.status ?? 200
    res.writeHead(status, given.headers).end(body)
    // A vendor that sends nothing after an interim status.
    if (status < 200) res.socket?.end()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => new Promise(resolve => {
    server.close(resolve)
    server.closeAllConnections()
  }))
  const address = server.address()
  const host = `127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`
  const vendor: Vendor = { origin: `http://${host}`, host, calls: [], answer: call => answer(vendor, call) }
  return vendor
}

/**
 * The same callback with one thing about it changed: a byte of the body, a character of a header, or one header gone or
 * twice.
 */
function * tamper (callback: Callback, unsigned: RegExp = /$^/g): Generator<Callback> {
  const { rawBody, headers } = callback
  const bodies = [Buffer.concat(
    [rawBody, Buffer.from(' ')],
  ), rawBody.subarray(0, -1), Buffer.alloc(0), ...[...rawBody.keys()].map(at => {
    const altered = Buffer.from(rawBody)
    altered[at] = (altered[at] ?? 0) ^ 1
    return altered
  })]
  // The parsed body stays as it was, so only the signature shows the change.
  for (const altered of bodies) yield { ...callback, rawBody: altered }
  for (const [name, value] of Object.entries(headers)) {
    if (typeof value !== 'string') continue
    const { [name]: _gone, ...others } = headers
    const meaningless = new Set(
      [...value.matchAll(unsigned)].flatMap(({ index, 0: text }) => [...text].map((_, at) => index + at)),
    )
    const altered = [...value].flatMap((letter, at) => meaningless.has(at)
      ? []
      : [`${value.slice(0, at)}${letter === 'x' ? 'y' : 'x'}${value.slice(at + 1)}`])
    yield { ...callback, headers: others }
    for (
      const other of ['', [value, value], `${value}, ${value}`, `${value} `, ...altered]
    ) yield { ...callback, headers: { ...headers, [name]: other } }
  }
}

function parse (text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/**
 * The network, the clock and the random source for an adapter under test. `ownDeadlines`: the shorter ones that the
 * adapter sets hold. On a busy machine they would end requests that are answered.
 */
export function openIo (
  t: Owner, { timeoutMs = 5000, ownDeadlines = false, now = Date.now, randomBytes = cryptoRandomBytes }: {
    timeoutMs?: number, ownDeadlines?: boolean, now?: () => number, randomBytes?: AdapterIo['randomBytes']
  } = {},
): AdapterIo {
  const http = createHttp({ allowInsecure: true, timeoutMs, now })
  t.teardown(http.close)
  const openHttp: AdapterIo['openHttp'] = (provider, hosts) => {
    const send = http.openHttp(provider, hosts)
    return ownDeadlines ? send : ({ timeoutMs: _own, ...request }) => send(request)
  }
  return { openHttp, now, randomBytes, allowInsecure: true }
}

export function openAdapter (
  provider: Provider, settings: Record<string, string>, io: AdapterIo, id = provider.provider,
): Adapter {
  const adapter = provider.open(settings, io, id)
  if (adapter === null) throw new Error(`${provider.provider} is off`)
  return adapter
}

export function anAttempt (more: Partial<AttemptContext>): AttemptContext {
  return {
    id: 'att_1', method: '', phoneNumber: null, options: {}, locale: null, device: {}, state: null,
    startedAt: Date.now(), expiresAt: Date.now() + 300_000,
    callbackKey, callbackUrl, redirectUrl: null, redirectKey: null, ...more,
  }
}

/**
 * An outcome, what was started, or the reason of a `ProviderError`, which `keep` receives as well. Any other error is a
 * fault of the adapter, and is thrown.
 */
export async function endingOf (
  work: Promise<Outcome | Started>, keep?: (error: ProviderError) => void,
): Promise<Ending> {
  try {
    const done = await work
    return 'verdict' in done ? done : { started: done.action, state: done.state }
  } catch (error) {
    if (!(error instanceof ProviderError)) throw error
    keep?.(error)
    return { failed: error.reason, retryable: error.retryable }
  }
}

/** What an ending says, without what a provider sent along. */
function summaryOf (ending: Ending): Partial<Ending> {
  if (!('verdict' in ending) || ending.verdict !== 'proven') return ending
  const { verdict, phoneNumber, assurance } = ending
  return { verdict, phoneNumber, ...assurance === undefined ? {} : { assurance } }
}

/** Checks that one method of an adapter does what every adapter promises. */
export async function contract (t: Test, { provider, method, ...promised }: Contract): Promise<void> {
  const errors: ProviderError[] = []
  const vendor = await openVendor(t, promised.vendor)
  const normally = vendor.answer
  const attempt = anAttempt({ method, ...promised.attempt })
  const at = Date.now()
  const now = (): number => at
  const patient = openIo(t, { now, randomBytes: size => Buffer.alloc(size, 1) })
  /** A new one has no cached token that would save a call. */
  const open = (io = patient) => openAdapter(provider, promised.settings(vendor), io)
  const adapter = open()

  const { state, id: providerId } = await adapter.start(attempt)
  const run = (
    phase: 'start' | 'resolve',
    { evidence = promised.good.evidence, repeated = false, by = adapter, known = state } = {},
  ) => endingOf(
    phase === 'start' ? by.start(attempt) : by.resolve({ ...attempt, state: known }, evidence, { repeated }),
    error => errors.push(error),
  )
  const talks = { start: false, resolve: false }

  await t.test('its fixed properties are well-formed', async t => {
    const facts = adapter.methods[method]
    const kinds: EvidenceKind[] = ['code', 'token', 'authorizationCode', 'payload', 'none']
    t.ok(facts !== undefined && facts.timeoutMs > 0 && facts.evidence.every(kind => kinds.includes(kind)))
    t.match(facts?.options, { type: 'object', additionalProperties: false })
    t.match(method, new RegExp(`^${provider.provider}\\.[a-z_]+$`))
    t.equal(facts?.isFoundByProviderId === true, promised.callbacks?.some(({ received }) =>
      received !== null && 'providerId' in received && received.providerId === providerId) ?? false)
    t.equal(facts?.redirect === 'fixed', promised.returns?.some(({ key }) => key !== undefined) ?? false)
    t.ok(facts?.redirect !== 'fixed' || facts.needsReturnUrl, 'without a returnUrl there is no redirect URL')
    const { sendsMessage, isRepeatable, startsLocally = false } = facts ?? {}
    t.notOk(sendsMessage && (isRepeatable || startsLocally), 'each message is counted before a request sends it')
    t.equal(provider.open({}, openIo(t), provider.provider), null, 'off without credentials')
    for (
      const variable of Object.values(provider.settings.properties)
    ) t.match(variable, { type: 'string', description: /\w/ })
  })

  await t.test('start returns the documented action, and a state that survives JSON', async t => {
    vendor.calls.length = 0
    const started = await adapter.start(attempt)
    talks.start = vendor.calls.length > 0
    t.same(started.action, promised.action(vendor))
    t.same(started.poll, promised.poll)
    const link = adapter.links?.[method]
    if (link !== undefined) t.match(
      started.action, { url: link(attempt) }, 'a URL that is not stored can be built again',
    )
    t.ok(adapter.methods[method]?.nextActions.includes(started.action.type))
    t.strictSame(JSON.parse(JSON.stringify(started.state)), started.state)
    const other = await open(openIo(t, { now, randomBytes: size => Buffer.alloc(size, 2) })).start(attempt)
    t.equal(!isDeepStrictEqual(other, started), promised.usesRandomness === true, 'it depends on the random source')
  })

  await t.test('every instance has its own provider id', async t => {
    if (provider.hasInstances !== true) return
    const id = `${provider.provider}-north`
    const instance = openAdapter(provider, promised.settings(vendor), patient, id)
    t.equal(instance.provider, id)
    t.same(Object.keys(instance.methods), Object.keys(adapter.methods).map(name => name.replace(/^[a-z]+/, id)))
    const own = method.replace(/^[a-z]+/, id)
    t.same(await instance.start({ ...attempt, method: own }), await adapter.start(attempt))
    vendor.answer = () => ({ status: 500 })
    const failed = instance.resolve({ ...attempt, method: own, state }, promised.good.evidence, { repeated: false })
    await t.rejects(failed, { message: new RegExp(`^${id} `) }, 'also in errors')
    vendor.answer = normally
  })

  await t.test('what the operator can probe', async t => {
    for (const [name, probe] of Object.entries(adapter.probes ?? {})) {
      const [nobody, asked] = [anAttempt({}), vendor.calls.length]
      vendor.answer = () => ({ status: 500 })
      await t.rejects(open().probes?.[name]?.(nobody) ?? Promise.resolve(), { name: 'ProviderError' }, name)
      vendor.answer = () => ({ status: 401, body: {} })
      const refused = await Promise.resolve(probe(nobody)).then(() => null, error => error)
      t.ok(refused === null || refused instanceof ProviderError, `${name}: 401`)
      t.ok(vendor.calls.length > asked, 'it asks the provider')
    }
    vendor.answer = normally
  })

  await t.test('an attempt is canceled at the provider', async t => {
    if (promised.cancel === undefined) return
    vendor.calls.length = 0
    await adapter.cancel?.({ ...attempt, state })
    t.equal(vendor.calls.length, 1)
    t.ok(vendor.calls.every(promised.cancel))
    vendor.answer = () => ({ status: 500 })
    await t.rejects(async () => adapter.cancel?.({ ...attempt, state }), { message: /: provider_error / })
    vendor.answer = normally
    vendor.calls.length = 0
    await adapter.cancel?.({ ...attempt, state: null })
    t.equal(vendor.calls.length, 0, 'an attempt that did not start has nothing to cancel')
  })

  await t.test('good evidence proves the number', async t => {
    vendor.calls.length = 0
    const outcome = await run('resolve')
    talks.resolve = vendor.calls.length > 0
    const declared = assuranceOf(adapter.methods[method]?.assurance ?? unknown, attempt.options)
    const { assurance = declared, ...proven } = outcome as Outcome & { verdict: 'proven' }
    t.same(proven, { verdict: 'proven', ...promised.good.proven })
    t.same(assurance, promised.assurance)
    t.ok(parsePhoneNumber(promised.good.proven.phoneNumber))
    t.strictSame(JSON.parse(JSON.stringify(outcome)), outcome)
  })

  await t.test('bad evidence does not', async t => {
    for (const { name, evidence = promised.good.evidence, repeated = false, vendor: answer, ends } of promised.bad) {
      vendor.answer = call => answer?.(call) ?? normally(call)
      const ending = await run('resolve', { evidence, repeated })
      t.match(ending, ends, name)
      t.strictSame(JSON.parse(JSON.stringify(ending)), ending, 'it survives JSON')
      const step = 'verdict' in ending && ending.verdict === 'pending' ? ending.action : undefined
      t.ok(step === undefined || adapter.methods[method]?.nextActions.includes(step.type), 'a step of the method')
    }
    vendor.answer = normally
    const known = promised.bad.every(({ ends }) => !('reason' in ends) || Object.hasOwn(reasons, String(ends.reason)))
    t.ok(known, 'with a known reason')
  })

  await t.test('other writings of an answer say the same', async t => {
    const good = { evidence: promised.good.evidence, repeated: false, vendor: undefined }
    const scenes = [
      { name: 'start', phase: 'start' as const, ...good }, { name: 'good', phase: 'resolve' as const, ...good },
      ...promised.bad.map(bad => ({ ...good, ...bad, phase: 'resolve' as const })),
    ]
    for (const { name, phase, evidence, repeated, vendor: special } of scenes) {
      const answers: Exclude<Answer, 'hang'>[] = []
      /** The ending when one of the answers is another one. */
      const endsWith = async (at: number, other: Answer): Promise<Partial<Ending>> => {
        answers.length = 0
        vendor.answer = call => {
          const given = special?.(call) ?? normally(call)
          if (given !== 'hang') answers.push(given)
          return answers.length - 1 === at ? other : given
        }
        return summaryOf(await run(phase, { evidence, repeated, by: open() }))
      }
      await endsWith(-1, 'hang')
      for (const [at, given] of [...answers.entries()]) {
        await readsAlike(t, `${name}, answer ${at}`, given.body, body => endsWith(at, { ...given, body }))
      }
    }
    vendor.answer = normally
  })

  await t.test('evidence of any other form proves nothing', async () => {
    const kinds = ['code', 'token', 'accessToken', 'endpoint', 'callback', 'requestId']
    const evidences = fc.oneof(fc.jsonValue(), fc.dictionary(fc.constantFrom(...kinds), fc.jsonValue()))
    vendor.answer = () => ({ status: 404 })
    await fc.assert(fc.asyncProperty(evidences, fc.boolean(), async (evidence, repeated) => {
      const ending = await run('resolve', { evidence: evidence as Json, repeated })
      return !('verdict' in ending) || ending.verdict !== 'proven'
    }), { numRuns: 60 })
    vendor.answer = normally
  })

  await t.test('answers of any other form prove nothing', async () => {
    const bodies = fc.oneof(
      fc.jsonValue(), fc.constantFrom('', '<html></html>', deep, '{"status":', `"${'x'.repeat(300_000)}"`),
    )
    await fc.assert(fc.asyncProperty(bodies, fc.constantFrom(
      'start' as const, 'resolve' as const,
    ), async (body, phase) => {
      vendor.answer = () => ({ body })
      const ending = await run(phase, { by: open() })
      return !talks[phase] || ('failed' in ending) || ('verdict' in ending && ending.verdict !== 'proven')
    }), { numRuns: 60 })
    vendor.answer = normally
  })

  for (const { call: isSwept, phase, ends, state: known = state } of promised.refusals) {
    await t.test(`every status of the vendor has its meaning: ${phase}`, async t => {
      const broken: unknown[] = []
      for (let status = 100; status < 600; status++) {
        vendor.answer = call => isSwept(call) ? { status } : normally(call)
        const refusal = status >= 400 && status < 500 ? ends(status) : null
        const expected = status === 429
          ? { failed: 'rate_limited_by_provider', retryable: true }
          : status >= 500 ? { failed: 'provider_error', retryable: true } : refusal ?? badResponse
        const ending = await run(phase, { by: open(), known })
        if (!isDeepStrictEqual({ ...ending, ...expected }, ending)) broken.push({ status, expected, ending })
      }
      t.same(broken, [])
      vendor.answer = normally
    })

    await t.test(`a vendor that does not answer is a timeout: ${phase}`, async t => {
      vendor.answer = call => isSwept(call) ? 'hang' : normally(call)
      const startedAt = performance.now()
      t.same(
        await run(phase, { by: open(openIo(t, { timeoutMs: 100 })), known }),
        { failed: 'provider_timeout', retryable: true },
      )
      t.ok(performance.now() - startedAt < 1000)
      vendor.answer = normally
    })
  }
  t.same(
    new Set(promised.refusals.map(({ phase }) => phase)),
    new Set((['start', 'resolve'] as const).filter(phase => talks[phase])),
  )

  const none: Callback = { key: null, url: callbackUrl, headers: {}, rawBody: Buffer.alloc(0), body: undefined }
  const isBelieved = async (callback: Callback): Promise<boolean> => {
    const answer = await adapter.receive?.(callback) ?? null
    return answer !== null && answer.type !== 'refused'
  }
  const concernsAttempt = async (callback: Callback): Promise<boolean> => {
    const answer = await adapter.receive?.(callback) ?? null
    if (answer === null || answer.type === 'refused') return false
    return 'key' in answer ? answer.key === callbackKey : answer.providerId === providerId
  }

  await t.test('documented callbacks and redirects are read, and others are not', async t => {
    for (const { callback, received } of promised.callbacks ?? []) {
      t.same(await adapter.receive?.({ ...none, ...callback }) ?? null, received, JSON.stringify(callback))
      if (received?.type !== 'updated') continue
      t.ok(adapter.methods[method]?.nextActions.includes(received.action.type), 'a step of the method')
      t.strictSame(JSON.parse(JSON.stringify(received.state)), received.state)
    }
    for (const { callback, received } of promised.callbacks ?? []) {
      if (received === null || received.type === 'refused') continue
      await readsAlike(t, 'callback', callback.body, async body => {
        const sent = JSON.parse(JSON.stringify(body))
        return adapter.receive?.({ ...none, ...callback, body: sent, ...promised.sign?.(sent) })
      })
    }
    const words = [
      'requestId', 'state', 'status', 'accessToken', 'endpoint', 'check_id', 'data', 'eventType', '__proto__',
    ]
    const junk = fc.oneof(
      fc.anything(), fc.dictionary(fc.constantFrom(...words), fc.oneof(fc.anything(), fc.string({ maxLength: 3000 }))),
    )
    const names = ['authorization', 'date', 'digest', 'x-tru-callback', 'x-signature']
    const headers = fc.dictionary(fc.constantFrom(...names), fc.oneof(fc.string(), fc.array(fc.string())))
    await fc.assert(fc.asyncProperty(junk, fc.option(fc.string()), headers, async (body, key, headers) =>
      !await concernsAttempt({ ...none, key, headers, body })))
    const queries = fc.dictionary(fc.constantFrom('check_id', 'code', 'error', 'state', '__proto__'), fc.string())
    fc.assert(fc.property(queries, query => {
      const returned = adapter.readReturn?.({ ...attempt, state }, query) ?? null
      return returned === null
        || (promised.isBoundByPath === true && 'code' in returned && returned.code === query['code'])
    }))
    fc.assert(fc.property(queries, query => (adapter.findKey?.(query) ?? null) === null))
    for (const { query, returned, key } of promised.returns ?? []) {
      t.same(adapter.readReturn?.({ ...attempt, state }, query) ?? null, returned, JSON.stringify(query))
      if (key !== undefined) t.equal(adapter.findKey?.(query) ?? null, key)
    }
  })

  if (promised.sign !== undefined) {
    await t.test('an altered callback is refused', async t => {
      const accepted: unknown[] = []
      let tried = 0
      for (const { callback } of promised.callbacks ?? []) {
        if (!await isBelieved({ ...none, ...callback })) continue
        for (const forged of tamper({ ...none, ...callback }, promised.unsigned)) {
          tried += 1
          if (await isBelieved(forged)) accepted.push(forged)
        }
      }
      t.ok(tried > 100)
      t.same(accepted, [])
    })
  }

  await t.test('only the part of the evidence that is valid once is claimed', async t => {
    const read = (evidence: Json) => adapter.singleUse?.({ ...attempt, state }, evidence) ?? null
    t.equal(read(promised.good.evidence), promised.singleUse)
    const evidences = fc.oneof(
      fc.jsonValue(), fc.dictionary(fc.constantFrom('callback', 'requestId', 'other'), fc.jsonValue()),
    )
    fc.assert(fc.property(evidences, evidence => read(evidence as Json) === null))
  })

  t.ok(errors.every(error => Object.hasOwn(reasons, error.reason) && error.provider === provider.provider))
  const numbers = [
    promised.good.proven.phoneNumber, attempt.phoneNumber,
  ].filter(number => number !== null).map(digitsOf)
  const hidden = [...promised.secrets, ...numbers, callbackKey, vendor.host]
  const shown = new Set(errors.map(error => inspect(error, { depth: 10, showHidden: true })))
  t.same(
    [...shown].filter(text => hidden.some(word => text.includes(word))), [], 'no secret and no number is in an error',
  )
}

/** Asks whether a method can serve a number, as the gateway does: a request is made only for what is not known. */
export async function askEligibility (
  adapter: Adapter, { phoneNumber, ...question }: Omit<EligibilityQuestion, 'country'>,
): Promise<Eligibility> {
  const country = parsePhoneNumber(phoneNumber)?.country ?? null
  const answer = adapter.canServe?.({ ...question, phoneNumber, country }) ?? null
  return typeof answer === 'function' ? answer() : answer
}
