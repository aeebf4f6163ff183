import fc from 'fast-check'
import t from 'tap'
import { addReceipt, shownReceipt } from '../../src/core/delivery.ts'
import { decide } from '../../src/core/decide.ts'
import { deliveryChannels, deliveryReceiptStatuses, type DeliveryReceipt } from '../../src/core/vocabulary.ts'
import { apply, applyAll, created, events, pendingAttempt, start, states } from './fixtures.ts'

/** `sms sent 3` */
function receipt (text: string): DeliveryReceipt {
  const [channel = '', status, at] = text.split(' ')
  const known = deliveryReceiptStatuses.find(word => word === status)
  if (known === undefined) throw new Error(`no status ${status}`)
  return { channel, status: known, at: Number(at) }
}
const textOf = (shown: DeliveryReceipt | null): string =>
  shown === null ? '' : `${shown.channel} ${shown.status} ${shown.at}`
const addAll = (receipts: readonly DeliveryReceipt[]): DeliveryReceipt[] =>
  receipts.reduce<DeliveryReceipt[]>((known, next) => addReceipt(known, next) ?? known, [])

t.test('what is shown after some receipts', async t => {
  const table: [reported: string[], shown: string][] = [
    [[], ''],
    [['sms sent 1'], 'sms sent 1'],
    [['sms sent 1', 'sms delivered 2', 'sms read 3'], 'sms read 3'],
    [['sms delivered 2', 'sms sent 9'], 'sms delivered 2'],
    [['sms read 3', 'sms delivered 2'], 'sms read 3'],
    [['sms failed 2', 'sms sent 1'], 'sms failed 2'],
    [['sms failed 2', 'sms delivered 3'], 'sms delivered 3'],
    [['sms delivered 3', 'sms failed 4'], 'sms delivered 3'],
    [['sms sent 5', 'sms sent 2'], 'sms sent 2'],
    [['whatsapp failed 2', 'sms sent 3'], 'sms sent 3'],
    [['sms sent 3', 'whatsapp failed 4'], 'sms sent 3'],
    [['whatsapp failed 2', 'sms failed 3'], 'sms failed 3'],
    [['whatsapp sent 1', 'sms sent 3'], 'sms sent 3'],
    [['whatsapp delivered 1', 'sms sent 3'], 'whatsapp delivered 1'],
    [['sms sent 5', 'whatsapp sent 10', 'whatsapp failed 12'], 'sms sent 5'],
    [['sms sent 3', 'viber sent 3'], 'sms sent 3'],
  ]
  for (const [reported, shown] of table) {
    t.equal(textOf(shownReceipt(addAll(reported.map(receipt)))), shown, reported.join(', '))
  }
})

const anyReceipt = fc.record({
  channel: fc.constantFrom(...deliveryChannels), status: fc.constantFrom(...deliveryReceiptStatuses),
  at: fc.integer({ min: 0, max: 5 }),
}, { noNullPrototype: true })

t.test('the order in which receipts arrive, and how often, makes no difference', async t => {
  const orders = fc.array(anyReceipt, { maxLength: 8 }).chain(receipts => fc.record({
    first: fc.constant(receipts),
    second: fc.shuffledSubarray([...receipts, ...receipts], { minLength: receipts.length * 2 }),
  }))
  fc.assert(fc.property(orders, ({ first, second }) => {
    const [one, other] = [addAll(first), addAll(second)]
    const sorted = (receipts: DeliveryReceipt[]) => receipts.map(textOf).toSorted()
    t.strictSame(sorted(one), sorted(other))
    t.strictSame(shownReceipt(one), shownReceipt(other))
  }), { numRuns: 500 })
})

t.test('a receipt that says nothing new changes nothing', async t => {
  fc.assert(fc.property(fc.array(anyReceipt), anyReceipt, (receipts, next) => {
    const known = addAll(receipts)
    const more = addReceipt(known, next)
    t.ok(more !== null || known.some(({ channel }) => channel === next.channel))
    t.equal(addReceipt(more ?? known, next), null)
    t.equal(new Set(more?.map(({ channel }) => channel)).size, more?.length ?? 0, 'one of each channel')
  }))
})

t.test('channels that a provider invents are not kept without end', async t => {
  const receipts = addAll(Array.from({ length: 100 }, (_, n) => receipt(`channel_${n} sent ${n}`)))
  t.equal(receipts.length, 8)
})

const report = (text: string) => ({ type: 'deliveryReported', attempt: 0, delivery: receipt(text) }) as const

t.test('a change of what is shown is a revision, and any other is none', async t => {
  const sent = apply(states.waiting, report('whatsapp failed 2'), start + 7)
  t.strictSame([sent.revision, sent.updatedAt], [states.waiting.revision + 1, start + 7])
  const replaced = apply(sent, report('sms sent 3'))
  t.equal(replaced.revision, sent.revision + 1)
  const unseen = apply(replaced, report('viber failed 4'))
  t.equal(unseen.revision, replaced.revision)
  t.equal(decide(unseen, report('viber sent 1'), start), null)
})

t.test('a receipt that arrives before the response to the start is kept', async t => {
  const before = apply(created(), report('sms sent 3'))
  t.match(pendingAttempt(before), { phase: 'starting', receipts: [receipt('sms sent 3')] })
  t.match(pendingAttempt(apply(before, events.attemptStarted)), { phase: 'waiting', receipts: [receipt('sms sent 3')] })
})

t.test('a receipt leaves the effect that is under way as it is', async t => {
  const { revision } = states.resolvingApp
  const reported = applyAll(states.resolvingApp, report('sms sent 3'), report('sms delivered 4'))
  t.match(reported, { revision: revision + 2, attempts: [{ phase: 'resolving', effectRevision: revision }] })
  for (const event of [events.codeIncorrect, events.queryFailed, events.attemptFailed] as const) {
    const { attempts } = apply(reported, event)
    t.equal('effectRevision' in (attempts[0] ?? {}), event.type === 'queryFailed', event.type)
  }
  const polled = apply(states.polling, report('sms sent 3'))
  t.notOk('effectRevision' in pendingAttempt(apply(polled, events.evidenceApp)), 'another effect')
  t.notOk('effectRevision' in pendingAttempt(apply(states.waiting, report('sms sent 3'))))
  const starting = apply(states.claimed, report('sms sent 3'))
  t.match(pendingAttempt(starting), { effectRevision: states.claimed.revision })
  t.notOk('effectRevision' in pendingAttempt(apply(starting, events.attemptStarted)))
})

t.test('a message that is sent again has no receipt yet', async t => {
  const again = applyAll(states.waiting, report('sms failed 3'), events.resendRequested)
  t.notOk('receipts' in pendingAttempt(again))
  t.match(pendingAttempt(apply(again, report('sms sent 9'))), { receipts: [receipt('sms sent 9')] })
})

t.test('a time that is none becomes the present', async t => {
  for (const at of [NaN, Infinity, 1e300]) {
    const delivery = { ...receipt('sms sent 1'), at }
    const reported = apply(states.waiting, { type: 'deliveryReported', attempt: 0, delivery }, start + 9)
    t.match(pendingAttempt(reported), { receipts: [{ at: start + 9 }] })
  }
})
