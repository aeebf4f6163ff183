import fc from 'fast-check'
import type { Callback, Received } from '../adapters/adapter.ts'
import { deliveryReceiptStatuses } from '../core/vocabulary.ts'
import { callbackKey, callbackUrl } from './attempt.ts'
import { expectAlways } from './check-evidence.ts'
import { expectJson } from './check-start.ts'
import type { Kit } from './kit.ts'
import type { Expect } from './runner.ts'
import { readsAlike } from './tolerance.ts'

const none: Callback = { key: null, url: callbackUrl, headers: {}, rawBody: Buffer.alloc(0), body: undefined }

/** What the adapter reads in a callback. */
const reads = ({ adapter }: Kit) => async (callback: Partial<Callback>) =>
  await adapter.receive?.({ ...none, ...callback }) ?? null

const words = ['requestId', 'state', 'status', 'accessToken', 'endpoint', 'check_id', 'data', 'eventType', '__proto__']
const junk = fc.oneof(
  fc.anything(), fc.dictionary(fc.constantFrom(...words), fc.oneof(fc.anything(), fc.string({ maxLength: 3000 }))),
)
const headerNames = ['authorization', 'date', 'digest', 'x-tru-callback', 'x-signature']
const anyHeaders = fc.dictionary(fc.constantFrom(...headerNames), fc.oneof(fc.string(), fc.array(fc.string())))

export async function checkCallbacks (kit: Kit, expect: Expect): Promise<void> {
  const { promised, started } = kit
  const receive = reads(kit)
  for (const { callback, received } of promised.callbacks ?? []) {
    const found = await receive(callback)
    expect.same(found, received, 'A documented callback must be read as promised.')
    if (found !== null && found.type !== 'refused') expectReceived(kit, expect, found)
  }
  for (const { callback, received } of promised.callbacks ?? []) {
    if (received === null || received.type === 'refused') continue
    await readsAlike(expect, `the callback ${received.type}`, callback.body, async body => {
      const sent = JSON.parse(JSON.stringify(body))
      return receive({ ...callback, body: sent, ...promised.sign?.(sent) })
    }, kindOf)
  }
  await expectAlways(
    expect, 'A callback of any other form must be for no attempt, and throw nothing.',
    fc.tuple(junk, fc.option(fc.string()), anyHeaders), async ([body, key, headers]) => {
      const found = await receive({ key, headers, body })
      if (found === null || found.type === 'refused') return true
      return 'key' in found ? found.key !== callbackKey : found.providerId !== started.id
    },
    { examples: [[undefined, null, {}], [null, null, {}], [{}, null, {}], [[], null, {}], ['', null, {}]] },
  )
}

/** Null: it changes nothing by itself. */
function kindOf (received: unknown): string | null {
  const { type, reason }: { type?: unknown, reason?: unknown } = Object(received)
  return type === 'denied' || type === 'updated' || type === 'delivery' ? [type, reason].join(' ') : null
}

/** A delivery receipt, and a step, are stored and shown. */
function expectReceived ({ facts }: Kit, expect: Expect, received: Received): void {
  if (received.type === 'updated') {
    const { action, state } = received
    expect.holds(facts.nextActions.includes(action.type), 'The type of a new action must be in `nextActions`.', action)
    expectJson(expect, 'The `state` of `updated`', state)
  } else if (received.type === 'delivery') {
    const { status, channel, at } = received.delivery
    expect.holds(
      deliveryReceiptStatuses.includes(status) && /^[a-z]+(_[a-z]+)*$/.test(channel) && Number.isFinite(at),
      'A receipt must have a known status, a channel in lower case with underscores, and a time in ms.',
      received.delivery,
    )
  } else if (received.type === 'evidence') {
    expectJson(expect, 'The evidence of a callback', received.evidence)
  }
}

export async function checkRedirects (kit: Kit, expect: Expect): Promise<void> {
  const { promised, adapter, attempt, started: { state } } = kit
  const readReturn = (query: Record<string, string>) => adapter.readReturn?.({ ...attempt, state }, query) ?? null
  const findKey = (query: Record<string, string>) => adapter.findKey?.(query) ?? null
  for (const { query, returned, key } of promised.returns ?? []) {
    const of = JSON.stringify(query)
    expect.same(readReturn(query), returned, `A documented redirect must be read as promised: ${of}.`)
    if (key !== undefined) expect.same(findKey(query), key, `\`findKey\` must find the promised key: ${of}.`)
  }
  const queries = fc.dictionary(fc.constantFrom('check_id', 'code', 'error', 'state', '__proto__'), fc.string())
  await expectAlways(expect, 'Any other redirect must be for no attempt, and throw nothing.', queries, query => {
    const returned = readReturn(query)
    if (returned === null) return true
    const isOfQuery = 'isInFragment' in returned || ('code' in returned && returned.code === query['code'])
    return promised.isBoundByPath === true && isOfQuery
  })
  await expectAlways(
    expect, '`findKey` must find nothing in any other query, and throw nothing.', queries,
    query => findKey(query) === null,
  )
}

export async function checkSignatures (kit: Kit, expect: Expect): Promise<void> {
  const { promised } = kit
  if (promised.sign === undefined) return
  const receive = reads(kit)
  const isBelieved = async (callback: Callback): Promise<boolean> => {
    const answer = await receive(callback)
    return answer !== null && answer.type !== 'refused'
  }
  const accepted: unknown[] = []
  let tried = 0
  for (const { callback } of promised.callbacks ?? []) {
    if (!await isBelieved({ ...none, ...callback })) continue
    for (const forged of tamper({ ...none, ...callback }, promised.unsigned)) {
      tried += 1
      if (await isBelieved(forged)) accepted.push(forged)
    }
  }
  expect.holds(tried > 100, 'With `sign`, `callbacks` must contain one that the adapter accepts.', tried)
  expect.same(accepted.slice(0, 1), [], 'An altered callback must be refused: the signature must cover every byte.')
}

/**
 * The same callback with one thing about it changed: a byte of the body, a character of a header, or one header gone or
 * twice.
 */
function * tamper (callback: Callback, unsigned: RegExp = /$^/g): Generator<Callback> {
  const { rawBody, headers } = callback
  const bodies = [Buffer.concat([rawBody, Buffer.from(' ')]), rawBody.subarray(0, -1), Buffer.alloc(0)]
  for (const at of rawBody.keys()) {
    const altered = Buffer.from(rawBody)
    altered[at] = (altered[at] ?? 0) ^ 1
    bodies.push(altered)
  }
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
    for (const other of ['', [value, value], `${value}, ${value}`, `${value} `, ...altered]) {
      yield { ...callback, headers: { ...headers, [name]: other } }
    }
  }
}
