import { isDeepStrictEqual } from 'node:util'
import type { Started } from '../adapters/adapter.ts'
import { ProviderError } from '../core/errors.ts'
import type { Money } from '../core/vocabulary.ts'
import { errorOf } from './check-declared.ts'
import type { Kit } from './kit.ts'
import type { Expect } from './runner.ts'

const survivesJson = (value: unknown): boolean => isDeepStrictEqual(JSON.parse(JSON.stringify(value) ?? 'null'), value)

export function expectJson (expect: Expect, what: string, value: unknown): void {
  expect.holds(
    survivesJson(value),
    `${what} must survive JSON: only null, booleans, numbers, texts, arrays and plain objects, no undefined.`,
    value,
  )
}

export async function checkStart (kit: Kit, expect: Expect): Promise<void> {
  const { promised, adapter, vendor, attempt, open, openIo } = kit
  const started = await adapter.start(attempt)
  expectStarted(kit, expect, started)
  expect.same(started.action, promised.action(vendor), '`start` must return the promised `action`.')
  expect.same(started.poll, promised.poll, '`start` must return the promised `poll`.')
  const link = adapter.links?.[promised.method]
  if (link !== undefined) {
    expect.includes(started.action, { url: link(attempt) }, '`links` must build the same URL as `start`.')
  }
  const other = await open(openIo({ randomBytes: size => Buffer.alloc(size, 2) })).start(attempt)
  expect.same(
    !isDeepStrictEqual(other, started), promised.usesRandomness === true,
    '`start` must depend on `io.randomBytes` if `usesRandomness` is promised; otherwise it must return the same again.',
  )
}

/** What `start` and `resend` return. */
function expectStarted ({ facts }: Kit, expect: Expect, started: Started): void {
  const { state, action, id, expiresInMs, cost, balance, poll } = started
  expectJson(expect, 'The `state`', state)
  expectJson(expect, 'The `action`', action)
  expect.holds(facts.nextActions.includes(action.type), 'The type of the action must be in `nextActions`.', action)
  expect.holds(id === undefined || (typeof id === 'string' && id !== ''), '`id` must be a text, or absent.', id)
  expect.holds(
    facts.isFoundByProviderId !== true || id !== undefined, 'With `isFoundByProviderId`, `start` must return an `id`.',
  )
  for (const [name, value] of Object.entries({ expiresInMs, afterMs: poll?.afterMs })) {
    expect.holds(value === undefined || (Number.isFinite(value) && value > 0), `\`${name}\` must be in ms.`, value)
  }
  const isMoney = ({ amount, currency }: Money): boolean => Number.isFinite(amount) && /^[A-Z]{3}$/.test(currency)
  for (const money of [cost, balance]) {
    expect.holds(
      money === undefined || isMoney(money),
      'Money must be a finite `amount` and a `currency` of three capital letters.', money,
    )
  }
}

export async function checkResend (kit: Kit, expect: Expect): Promise<void> {
  const { adapter, attempt, facts, started: { state }, vendor, normally } = kit
  if (facts.resend === undefined) return
  expect.holds(facts.resend.afterMs > 0 && facts.resend.times > 0, '`Method.resend` must be above 0.', facts.resend)
  const resend = async (): Promise<Started> => adapter.resend?.({ ...attempt, state })
    ?? expect.fail('A method with `Method.resend` needs `resend` of the adapter.')
  expectStarted(kit, expect, await resend())
  const before = vendor.calls.length
  vendor.answer = () => ({ status: 500 })
  const error = await errorOf(resend)
  expect.holds(
    error instanceof ProviderError && vendor.calls.length > before,
    '`resend` must query the provider, and throw a ProviderError for the status 500.', error,
  )
  vendor.answer = normally
}

const statusesOfCancel = [200, 204, 400, 401, 403, 404, 409, 410, 429]

export async function checkCancel (kit: Kit, expect: Expect): Promise<void> {
  const { promised, adapter, attempt, started: { state }, vendor } = kit
  if (promised.cancel === undefined) return
  const cancel = (): unknown => adapter.cancel?.({ ...attempt, state })
  await cancel()
  const { calls } = vendor
  expect.holds(
    calls.length === 1 && calls.every(promised.cancel), '`cancel` must send the promised request, and no other one.',
    calls.map(({ method, path }) => `${method} ${path}`),
  )
  vendor.answer = () => ({ status: 500 })
  const failed = await errorOf(cancel)
  expect.holds(
    failed instanceof ProviderError && failed.reason === 'provider_error',
    '`cancel` must throw a ProviderError for the status 500.', failed,
  )
  for (const status of statusesOfCancel) {
    vendor.answer = () => ({ status })
    const error = await errorOf(cancel)
    expect.holds(
      error === null || error instanceof ProviderError,
      `\`cancel\` must throw nothing but a ProviderError for the status ${status}.`, error,
    )
  }
  vendor.answer = kit.normally
  calls.length = 0
  await adapter.cancel?.({ ...attempt, state: null })
  expect.same(calls.length, 0, '`cancel` must send nothing for an attempt that did not start (`state` is null).')
}
