import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import t from 'tap'
import type { Verification } from '../../src/core/verification.ts'
import { createPacker } from '../../src/store/packing.ts'
import { createSealer } from '../../src/store/sealing.ts'
import { createRecordCodec } from '../../src/verifications/record-codec.ts'
import { applyAll, created, events, states, step } from '../core/fixtures.ts'

const { decode: decodeRecord, encode: encodeRecord } = createRecordCodec()

const sealer = createSealer(`k1:${randomBytes(32).toString('base64')}`)
/** Through bytes, as the store does it. */
const store = (verification: Verification): Verification =>
  decodeRecord(sealer.open(sealer.seal(encodeRecord(verification), verification.id), verification.id), verification.id)
const more = {
  country: 'US', idempotency: { names: ['a', 'b'], hash: 'h', at: 5 }, reference: 'order-1', metadata: { plan: 'pro' },
  device: { ip: '192.0.2.7' }, webhookEvents: ['verified' as const], traceparent: '00-a-b-01',
}
const known = [
  ...Object.values(states), created(more), applyAll(created(more), events.attemptStarted, events.deliveryReported),
  applyAll(created(more), events.attemptStarted, events.canceled),
]

t.test('every state is read as it was written', async t => {
  for (const verification of known) t.strictSame(store(verification), verification)
})

t.test('so are other values', async t => {
  const text = fc.string({ unit: 'binary' })
  // The API rejects a body that has this name.
  const name = text.filter(word => word !== '__proto__')
  const time = fc.integer({ min: 0, max: 9_999_999_999_999 })
  const times = fc.record({ createdAt: time, updatedAt: time, expiresAt: time }, { noNullPrototype: true })
  const values = fc.record({
    reference: fc.option(text), metadata: fc.dictionary(name, text, { noNullPrototype: true }),
    locale: fc.option(text), country: text, traceparent: text,
    idempotency: fc.option(fc.record({ names: fc.array(text), hash: text, at: time }, { noNullPrototype: true })),
  }, { requiredKeys: [], noNullPrototype: true })
  fc.assert(fc.property(fc.constantFrom(...known), values, times, (verification, values, times) => {
    const one = { ...verification, ...values, ...times }
    t.strictSame(store(one), one)
  }), { numRuns: 200 })
})

t.test('fields that this version does not know are kept', async t => {
  const later = { later: { to: 'come' } }
  const one = { ...states.waiting, ...later, workflow: states.waiting.workflow.map(each => ({ ...each, ...later })) }
  t.strictSame(store(one), one)
})

t.test('what is not a verification is refused', async t => {
  const packer = createPacker([])
  for (const other of [null, 'x', [], [1], {}, { attempts: null }]) {
    t.throws(() => decodeRecord(packer.pack(other), 'ver_x'), TypeError)
  }
})

t.test('the usual records are stored without field names and without their id', async t => {
  const { traceparent: _traceparent, ...usual } = more
  const waiting = applyAll(created(usual), events.attemptStarted)
  const resolving = applyAll(waiting, events.evidenceApp)
  const verified = applyAll(resolving, events.numberProven)
  const canceled = applyAll(waiting, events.canceled)
  const paid = applyAll(created(usual), { ...events.attemptStarted, cost: { amount: 1, currency: 'API' } })
  const paying = applyAll(paid, events.evidenceApp)
  const settled = applyAll(paying, events.numberProven)
  const findable = applyAll(created(usual), { ...events.attemptStarted, providerId: 'r', isFindable: true })
  for (
    const verification of [
      created(usual), created(), waiting, resolving, verified, canceled, paid, paying, settled,
      applyAll(paid, events.canceled), findable, applyAll(findable, events.evidenceProvider),
      applyAll(findable, events.canceled),
      applyAll(created(usual), events.attemptStarted, events.deliveryReported),
    ]
  ) {
    const bytes = encodeRecord(verification).toString('latin1')
    for (
      const name of [
        'workflow', 'idempotency', 'timeoutMs', 'leaseUntil', 'attemptsRemaining', 'amount', 'findable', 'receipts',
        'ver_x',
      ]
    ) {
      t.notOk(bytes.includes(name), `${verification.status}: ${name}`)
    }
  }
})

t.test('a usual record is small', async t => {
  const { traceparent: _traceparent, ...usual } = more
  const waiting = applyAll(created({ ...usual, workflow: [step('otpless.otp')] }), events.attemptStarted)
  const at = 1_796_054_400_000
  const times = { createdAt: at, updatedAt: at + 50, expiresAt: at + 600_000 }
  const attempts = waiting.attempts.map(attempt => ({ ...attempt, startedAt: at, expiresAt: at + 60_000 }))
  const { length } = encodeRecord({ ...waiting, ...times, attempts })
  t.ok(length < 220, `${length} bytes: times are short, and words are numbers`)
})

t.test('a link that the adapter can build again is not stored', async t => {
  const links = { isBuilt: () => true, build: () => 'x://built-again' }
  const codec = createRecordCodec(links)
  const bytes = codec.encode(states.deepLink)
  t.notMatch(bytes.toString('latin1'), /x:\/\//)
  t.match(codec.decode(bytes, 'ver_x').attempts, [{ action: { type: 'openDeepLink', url: 'x://built-again' } }])
  const removed = createRecordCodec({ ...links, build: () => null })
  t.match(removed.decode(bytes, 'ver_x').attempts, [{ action: null }], 'the method is not configured any more')
})
