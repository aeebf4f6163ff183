import fc from 'fast-check'
import { isDeepStrictEqual } from 'node:util'
import type { Outcome } from '../adapters/adapter.ts'
import { assuranceOf } from '../core/assurance.ts'
import { reasons } from '../core/reasons.ts'
import type { Json } from '../core/vocabulary.ts'
import { parsePhoneNumber } from '../phone.ts'
import type { Ending } from './attempt.ts'
import { expectJson } from './check-start.ts'
import type { Contract, Kit } from './kit.ts'
import type { Expect } from './runner.ts'

/** Fails with the smallest value that the property does not hold for. `examples` are tried first. */
export async function expectAlways<T> (
  expect: Expect, rule: string, values: fc.Arbitrary<T>, holds: (value: T) => Promise<boolean> | boolean,
  { examples = [], runs = 100 }: { examples?: T[], runs?: number } = {},
): Promise<void> {
  const result = await fc.check(fc.asyncProperty(values, async value => holds(value)), {
    numRuns: runs, examples: examples.map(value => [value]),
  })
  if (!result.failed) return
  const { counterexample, errorInstance: error } = result
  const isThrown = error instanceof Error && !error.message.startsWith('Property failed')
  expect.fail(rule, { found: counterexample?.[0], ...isThrown ? { error } : {} })
}

export async function checkGood (kit: Kit, expect: Expect): Promise<void> {
  const { promised, run, facts, attempt } = kit
  const ending = await run('resolve')
  expectJson(expect, 'The outcome', ending)
  const declared = assuranceOf(facts.assurance, attempt.options)
  const { assurance = declared, ...proven } = ending as Outcome & { verdict: 'proven' }
  expect.same(proven, { verdict: 'proven', ...promised.good.proven }, 'The good evidence must prove the number.')
  expect.same(
    assurance, promised.assurance, 'The assurance of the proof must be the promised one, and in doubt the weaker one.',
  )
  const { phoneNumber } = promised.good.proven
  expect.holds(parsePhoneNumber(phoneNumber) !== null, 'The proven number must be E.164 with `+`.', phoneNumber)
}

export async function checkBad (kit: Kit, expect: Expect): Promise<void> {
  const { promised, run, facts, vendor, normally } = kit
  for (const { name, evidence = promised.good.evidence, repeated = false, vendor: answer, ends } of promised.bad) {
    vendor.answer = call => answer?.(call) ?? normally(call)
    const ending = await run('resolve', { evidence, repeated })
    expect.includes(ending, ends, `Bad evidence must end as promised: ${name}.`)
    if ('reason' in ending) {
      expect.holds(Object.hasOwn(reasons, ending.reason), 'A reason must be one of the closed set.', ending.reason)
    }
    if ('verdict' in ending && ending.verdict === 'pending') {
      const { retryAfterMs, action } = ending
      expect.holds(Number.isFinite(retryAfterMs) && retryAfterMs > 0, '`retryAfterMs` must be in ms.', retryAfterMs)
      expect.holds(
        action === undefined || facts.nextActions.includes(action.type),
        'The type of a new action must be in `nextActions`.', action,
      )
    }
    expectJson(expect, 'The outcome', ending)
  }
}

export async function checkRepeated (kit: Kit, expect: Expect): Promise<void> {
  const { promised: { good, bad }, run, vendor, normally } = kit
  const scenes: Contract['bad'] = [{ name: 'the good evidence', ends: {} }, ...bad]
  for (const { name, evidence = good.evidence, vendor: answer, repeated = false } of scenes) {
    vendor.answer = call => answer?.(call) ?? normally(call)
    expect.same(
      await run('resolve', { evidence, repeated }), await run('resolve', { evidence, repeated }),
      `\`resolve\` must say the same of the same evidence, state and answers: ${name}.`,
    )
  }
  vendor.answer = normally
  expect.same(
    summaryOf(await run('resolve', { repeated: true })), summaryOf(await run('resolve')),
    'With `repeated: true`, the good evidence must prove the number, too: the answer to the first try was lost.',
  )
}

/** What an ending says, without what a provider sent along. */
export function summaryOf (ending: Ending): Partial<Ending> {
  if (!('verdict' in ending) || ending.verdict !== 'proven') return ending
  const { verdict, phoneNumber, assurance } = ending
  return { verdict, phoneNumber, ...assurance === undefined ? {} : { assurance } }
}

const members = ['code', 'token', 'accessToken', 'endpoint', 'callback', 'requestId']

export async function checkOtherEvidence (kit: Kit, expect: Expect): Promise<void> {
  const { promised, run, vendor, adapter, attempt, started: { state } } = kit
  const evidences = fc.oneof(fc.jsonValue(), fc.dictionary(fc.constantFrom(...members), fc.jsonValue()))
  vendor.answer = () => ({ status: 404 })
  const proves = async (evidence: unknown, repeated: boolean): Promise<boolean> => {
    const ending = await run('resolve', { evidence: evidence as Json, repeated })
    return 'verdict' in ending && ending.verdict === 'proven'
  }
  await expectAlways(
    expect, 'Evidence of any other form must prove nothing, and throw nothing but a ProviderError.',
    fc.tuple(evidences, fc.boolean()), async ([evidence, repeated]) => !await proves(evidence, repeated),
    { runs: 60, examples: [[null, false], [{}, false], [[], false], ['', false], [{ code: null }, false]] },
  )
  const read = (evidence: unknown) => adapter.singleUse?.({ ...attempt, state }, evidence as Json) ?? null
  expect.same(
    read(promised.good.evidence), promised.singleUse, '`singleUse` must return the promised part of the good evidence.',
  )
  await expectAlways(
    expect, '`singleUse` must return null for other evidence, and throw nothing.',
    fc.oneof(fc.jsonValue(), fc.dictionary(fc.constantFrom('callback', 'requestId', 'other'), fc.jsonValue())),
    evidence => read(evidence) === null || isDeepStrictEqual(evidence, promised.good.evidence),
    { examples: [null, {}, [], ''] },
  )
}
