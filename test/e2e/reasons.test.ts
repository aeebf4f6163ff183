import t, { type Test } from 'tap'
import { reasons, type Reason } from '../../src/core/reasons.ts'
import { reasonExamples } from '../../src/sandbox/scenarios.ts'
import { startGateway, type Answer, type TestGateway } from '../helpers/gateway.ts'
import { act, numberEnding } from './end-user.ts'

type Example = (typeof reasonExamples)[number]
type Verification = Answer['body']

/** Reasons of the last attempt that become `provider_unavailable` when no method is left. */
const isOfAttempt = (reason: string): boolean =>
  reason !== 'provider_unavailable' && reasons[reason as Reason].isProviderFault

t.test('each reason is brought about by its number', async t => {
  let aheadMs = 0
  const gateway = await startGateway(t, { now: () => Date.now() + aheadMs })
  // So many faults at once would stop the calls to a provider that did nothing else.
  for (const method of ['otpless.otp', 'truid.phone_check', 'truecaller.push']) {
    await Promise.all(
      Array.from({ length: 10 }, () => gateway.shop.create({ phoneNumber: numberEnding('02'), workflow: [method] })),
    )
  }
  const endings = new Map<Example, Verification>()
  const { byClock = [], byProvider = [], others = [] } = Object.groupBy(reasonExamples, kindOf)
  // An app has one live verification of a number, so those of one number come one after another.
  await Promise.all([...Map.groupBy(others, ({ phoneNumber }) => phoneNumber).values()].map(async examples => {
    for (const example of examples) endings.set(example, await run(gateway, example))
  }))
  for (const example of byClock) {
    const running = run(gateway, example)
    // The creates have been answered once this one has.
    await gateway.shop.create({ phoneNumber: numberEnding('02'), workflow: ['otpless.otp'] })
    aheadMs += 31_000
    await gateway.app.gateway.sweep()
    endings.set(example, await running)
  }
  // Last, because a fault can stop the calls to its provider, and bad credentials do so most of all.
  for (const example of byProvider.toSorted((a, b) => Number(isLast(a)) - Number(isLast(b)))) {
    endings.set(example, await run(gateway, example))
  }

  for (const example of reasonExamples) {
    const { reason, method, phoneNumber } = example
    t.test(`${reason}: ${method} with ${phoneNumber}`, async t => assertEnded(t, example, endings.get(example) ?? {}))
  }
})

const isLast = ({ reason }: Example): boolean => reason === 'provider_misconfigured'

function kindOf ({ reason }: Example): 'byClock' | 'byProvider' | 'others' {
  if (reason === 'deadline' || reason === 'attempt_timeout') return 'byClock'
  return isOfAttempt(reason) || reason === 'provider_unavailable' ? 'byProvider' : 'others'
}

function assertEnded (t: Test, { reason, method }: Example, { status, verified, attempts, ...seen }: Verification) {
  const last = attempts.at(-1)
  t.equal(verified, false)
  t.not(status, 'verified')
  t.equal(last.method, method)
  t.equal(last.reason, reason === 'provider_unavailable' ? 'provider_error' : reason)
  t.equal(seen['reason'], isOfAttempt(reason) ? 'provider_unavailable' : reason)
}

/** What the example says, with its number as it is; resolves with the verification when it has ended. */
async function run (
  { shop, simulators }: TestGateway, { reason, method, phoneNumber, ending, again }: Example,
): Promise<Verification> {
  const request = {
    phoneNumber, workflow: [{ method, ...reason === 'attempt_timeout' ? { timeoutSeconds: 5 } : {} }],
    ...ending === 'deadline' ? { expiresInSeconds: 30 } : {},
  }
  const create = async (more: object = {}): Promise<Verification> => (await shop.create({ ...request, ...more })).body
  if (again) {
    const { id } = await create()
    await shop.call('POST', `/verifications/${id}/cancel`)
  }
  const created = await create()
  const controller = new AbortController()
  const acting = ending === undefined
    ? act(shop, simulators, created, phoneNumber, { signal: controller.signal })
    : undefined
  if (ending === 'cancel') await shop.call('POST', `/verifications/${created['id']}/cancel`)
  if (ending === 'replace') await create({ onConflict: 'replace' })
  const ended = await shop.waitFor(created['id'])
  controller.abort()
  await acting
  return ended
}

t.test('a suffix that is limited to one provider shows the next method verify', async t => {
  const gateway = await startGateway(t)
  const { shop, simulators } = gateway
  const cases = [
    { phoneNumber: '+14155550391', failing: 'truid.phone_check', reason: 'carrier_unsupported', next: 'otpless.otp' },
    { phoneNumber: '+14155550291', failing: 'truecaller.push', reason: 'number_not_registered', next: 'otpless.otp' },
    { phoneNumber: '+14155550491', failing: 'otpless.otp', reason: 'carrier_unsupported', next: 'truecaller.push' },
    {
      phoneNumber: '+14155581391', failing: 'truid.phone_check', reason: 'not_on_cellular', next: 'truecaller.push',
    },
  ]
  for (const { phoneNumber, failing, reason, next } of cases) {
    const { body } = await shop.create({ phoneNumber, workflow: [failing, next] })
    // While an attempt is being started, there is nothing to do yet.
    const isNext = ({ attempts, status, nextAction }: Verification) =>
      (attempts.length === 2 && nextAction?.type !== 'wait') || status !== 'pending'
    if (!isNext(body)) await act(shop, simulators, body, phoneNumber)
    const continued = await shop.waitFor(body['id'], isNext)
    if (continued['status'] === 'pending') await act(shop, simulators, continued, phoneNumber)
    const ended = await shop.waitFor(body['id'])
    t.hasStrict(ended, { status: 'verified', verified: true, reason: null, result: { method: next } }, phoneNumber)
    t.hasStrict(ended['attempts'], [
      { method: failing, status: 'failed', reason }, { method: next, status: 'verified', reason: null },
    ])
  }
})
