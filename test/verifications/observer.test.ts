import { randomBytes } from 'node:crypto'
import t from 'tap'
import type { Verification } from '../../src/core/verification.ts'
import { createSealer, numberTag } from '../../src/store/sealing.ts'
import { createObserver } from '../../src/verifications/observer.ts'
import { apply, applyAll, asked, created, events, states, step } from '../core/fixtures.ts'

const sealer = createSealer(`k1:${randomBytes(32).toString('base64')}`)

/** What the observer reports of some changes: budget entries and log lines. */
function observe (...changes: [before: Verification | null, after: Verification][]) {
  const budgeted: string[] = []
  const lines: [object, string | undefined][] = []
  const observer = createObserver({
    sealer, methods: new Map([['otpless.otp', { sendsMessage: true }]]), budget: {
      count (app, country, what, _at, times = 1) {
        budgeted.push([app, country, what, ...times === 1 ? [] : [times]].join(' '))
      },
    },
    log: { info: (fields: unknown, message?: unknown) => { lines.push([Object(fields), String(message)]) } },
  })
  for (const [before, after] of changes) observer(before, after)
  return { budgeted, lines }
}

t.test('a new verification', async t => {
  const { budgeted, lines } = observe([null, created({ country: 'US' })])
  t.strictSame(budgeted, [], 'what its messages use of the budget was counted before')
  t.strictSame(lines, [], 'the create logs it')
})

t.test('the end of a verification', async t => {
  const before = apply(created({ country: 'US' }), events.attemptStarted)
  const verified = applyAll(before, events.evidenceApp, events.numberProven)
  const proven = observe([before, verified])
  t.strictSame(proven.budgeted, [], 'it has sent no message')
  t.strictSame(proven.lines, [[
    {
      verificationId: 'ver_x', app: 'shop', numberTag: numberTag(sealer, asked), status: 'verified',
      method: 'truid.phone_check',
    },
    'verification ended',
  ]])
  t.notMatch(JSON.stringify(proven.lines), asked.slice(3), 'the log has a tag of the number only')
  const numberless = apply(created({ phoneNumber: null }), events.canceled)
  t.match(observe([created({ phoneNumber: null }), numberless]).lines, [[{ numberTag: null }]])
  const sent = apply(created({ country: 'US', workflow: [step('otpless.otp')] }), events.attemptStarted)
  const verifiedByMessage = applyAll(sent, events.evidenceApp, events.numberProven)
  t.strictSame(observe([sent, verifiedByMessage]).budgeted, ['shop US verified'])
  const canceled = observe([sent, apply(sent, events.canceled)])
  t.strictSame(canceled.budgeted, [], 'only verified ones count against unverified ones')
  t.match(canceled.lines, [[{ status: 'canceled', reason: 'app_canceled' }]])
})

t.test('a change in between is not logged', async t => {
  const { budgeted, lines } = observe([states.waiting, states.resolvingApp])
  t.strictSame([budgeted, lines], [[], []])
  t.strictSame(observe([states.canceled, states.canceled]).lines, [], 'an end is logged once')
})

t.test('a verification that ends in the write that creates it is logged once', async t => {
  const { budgeted, lines } = observe([null, apply(created({ country: 'US' }), events.canceled)])
  t.strictSame(budgeted, [])
  t.strictSame(lines.map(([, message]) => message), ['verification ended'])
})

t.test('a test number is only logged, at its start and its end', async t => {
  const testNumber = { codeHash: 'x', codeLength: 6 }
  const starting = apply(created({ country: 'US', testNumber, workflow: [step('otpless.otp')] }), events.attemptStarted)
  const { budgeted, lines } = observe(
    [null, starting], [starting, apply(starting, events.evidenceApp)], [starting, apply(starting, events.canceled)],
  )
  t.strictSame(budgeted, [])
  t.match(lines, [
    [{ audit: 'test_number', status: 'pending' }, 'audit'], [{ status: 'canceled' }, 'verification ended'],
    [{ audit: 'test_number', status: 'canceled' }, 'audit'],
  ])
  t.equal(lines.length, 3)
})

t.test('a first message that was not sent is taken back', async t => {
  const starting = created({ country: 'US', workflow: [step('otpless.otp'), step('otpless.otp')] })
  t.strictSame(observe([starting, apply(starting, events.attemptSkipped)]).budgeted, ['shop US created -1'])
  t.strictSame(observe([starting, apply(starting, events.startFailed)]).budgeted, [], 'it may have been sent')
  const second = apply(apply(starting, events.attemptStarted), events.attemptFailed)
  t.strictSame(
    observe([second, apply(second, { ...events.attemptSkipped, attempt: 1 })]).budgeted, [], 'the second one',
  )
})
