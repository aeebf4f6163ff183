import fc from 'fast-check'
import t from 'tap'
import { readRecord, writeRecord } from '../../src/verifications/record-codec.ts'
import { createSealer } from '../../src/store/sealing.ts'
import { readVerification, type Verification } from '../../src/core/verification.ts'
import { recordsBefore, sealKeys } from '../e2e/records-before.ts'
import type { Json } from '../../src/core/vocabulary.ts'

const sealer = createSealer(sealKeys)
const keep = (verification: Verification): Json =>
  sealer.open(sealer.seal(writeRecord(verification), verification.id), verification.id)
const before = recordsBefore(() => 'request-1', 'https://x.example')
const known = Object.values<{ record: Json }>(before).map(({ record }) => readVerification(record))

t.test('what is kept is read again as it was, in whatever state', async t => {
  t.same(new Set(known.map(({ status }) => status)), new Set(['pending', 'verified', 'failed', 'expired', 'canceled']))
  for (const verification of known) t.strictSame(readRecord(keep(verification), verification.id), verification)
})

t.test('and with whatever values', async t => {
  const text = fc.string({ unit: 'binary' })
  const time = fc.integer({ min: 0, max: 9_999_999_999_999 })
  const times = fc.record({ createdAt: time, updatedAt: time, expiresAt: time })
  const key = fc.record(
    {
      name: fc.string({ unit: fc.constantFrom('A', 'z', '_', '0'), minLength: 22, maxLength: 22 }), value: text,
      partition: fc.nat(15),
    },
    { noNullPrototype: true },
  )
  const more = fc.record(
    {
      reference: fc.option(text), metadata: fc.dictionary(text, text, { noNullPrototype: true }),
      locale: fc.option(text), key: fc.option(key), country: text, traceparent: text,
    },
    { requiredKeys: [], noNullPrototype: true },
  )
  fc.assert(fc.property(fc.constantFrom(...known), more, times, (verification, values, at) => {
    const one = { ...verification, ...values, ...at }
    t.strictSame(readRecord(keep(one), one.id), one)
  }), { numRuns: 200 })
})

t.test('the version before is read as it is, and one to come is not', async t => {
  for (
    const { record } of Object.values<{ record: Json & { id: string } }>(before)
  ) t.equal(readRecord(record, record.id), record)
  for (
    const other of [null, 'x', [], [1], [3, 'shop'], {}, { format: 2 }]
  ) t.throws(() => readRecord(other, 'ver_x'), TypeError)
})

t.test('nobody drops what he does not know', async t => {
  const later = { later: { to: 'come' } }
  const withLater = <T extends object>(value: T): T => ({ ...value, ...later })
  const { record } = before.waiting
  const one = readVerification({
    ...record, ...later, key: withLater(record.key), workflow: record.workflow.map(withLater), attempts: record.attempts.map(withLater),
  })
  t.strictSame(readRecord(keep(one), one.id), one)
  t.match(
    readRecord(keep(one), one.id), { later: later.later, key: later, workflow: [later, later], attempts: [later] },
  )
})

t.test('a live one is small, and its id is in it only where somebody else is told it', async t => {
  for (const name of ['waiting', 'discovering'] as const) {
    const verification = readVerification(before[name].record)
    const sealed = sealer.seal(writeRecord(verification), verification.id)
    const [now, then] = [sealed.length, JSON.stringify(verification).length + 32]
    t.ok(now < then * 0.52, `${name}: ${now} bytes of ${then}`)
  }
  t.notMatch(JSON.stringify(writeRecord(readVerification(before.waiting.record))), before.waiting.record.id)
})
