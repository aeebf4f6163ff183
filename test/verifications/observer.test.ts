import { randomBytes } from 'node:crypto'
import t from 'tap'
import type { Verification } from '../../src/core/verification.ts'
import { createSealer, numberTag } from '../../src/store/sealing.ts'
import { createObserver } from '../../src/verifications/observer.ts'
import { apply, applyAll, asked, created, events, states } from '../core/fixtures.ts'

const sealer = createSealer(`k1:${randomBytes(32).toString('base64')}`)

/** What the observer reports of some changes: counted changes, budget entries and log lines. */
function observe (...changes: [before: Verification | null, after: Verification][]) {
  const counted: string[] = []
  const budgeted: string[] = []
  const lines: [object, string | undefined][] = []
  const observer = createObserver({
    sealer, budget: { count: (app, country, what) => { budgeted.push([app, country, what].join(' ')) } },
    metrics: { countChange: (before, after) => { counted.push(`${before?.status ?? null} ${after.status}`) } },
    log: { info: (fields: unknown, message?: unknown) => { lines.push([Object(fields), String(message)]) } },
  })
  for (const [before, after] of changes) observer(before, after)
  return { counted, budgeted, lines }
}

t.test('a new verification', async t => {
  const { counted, budgeted, lines } = observe([null, created({ country: 'US' })])
  t.strictSame(counted, ['null pending'])
  t.strictSame(budgeted, ['shop US created'])
  t.strictSame(lines, [[
    { verificationId: 'ver_x', app: 'shop', numberTag: numberTag(sealer, asked), method: 'truid.phone_check' },
    'verification created',
  ]])
  t.notMatch(JSON.stringify(lines), asked.slice(3), 'the log has a tag of the number only')
  const numberless = observe([null, created({ phoneNumber: null })])
  t.strictSame(numberless.budgeted, [], 'no country, no budget')
  t.match(numberless.lines, [[{ numberTag: null }]])
})

t.test('the end of a verification', async t => {
  const before = apply(created({ country: 'US' }), events.attemptStarted)
  const verified = applyAll(before, events.evidenceApp, events.numberProven)
  const proven = observe([before, verified])
  t.strictSame(proven.counted, ['pending verified'])
  t.strictSame(proven.budgeted, ['shop US verified'])
  t.match(proven.lines, [[{ status: 'verified', reason: null, method: 'truid.phone_check' }, 'verification ended']])
  const canceled = observe([before, apply(before, events.canceled)])
  t.strictSame(canceled.budgeted, [], 'only verified ones count against unverified ones')
  t.match(canceled.lines, [[{ status: 'canceled', reason: 'app_canceled' }]])
})

t.test('a change in between is counted, not logged', async t => {
  const { counted, budgeted, lines } = observe([states.waiting, states.resolvingApp])
  t.strictSame(counted, ['pending pending'])
  t.strictSame([budgeted, lines], [[], []])
  t.strictSame(observe([states.canceled, states.canceled]).lines, [], 'an end is logged once')
})

t.test('a verification that ends in the write that creates it is logged twice and counted once', async t => {
  const { counted, budgeted, lines } = observe([null, apply(created({ country: 'US' }), events.canceled)])
  t.strictSame(counted, ['null canceled'])
  t.strictSame(budgeted, ['shop US created'])
  t.strictSame(lines.map(([, message]) => message), ['verification created', 'verification ended'])
})
