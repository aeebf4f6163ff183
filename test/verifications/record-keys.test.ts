import { randomBytes } from 'node:crypto'
import t from 'tap'
import { createRecordKeys } from '../../src/verifications/record-keys.ts'
import { createSealer } from '../../src/store/sealing.ts'
import { type Verification } from '../../src/core/verification.ts'
import { createVerification, decide } from '../../src/core/decide.ts'

const hour = 3_600_000
const day = 24 * hour
const keys = ['k1', 'k2'].map(id => `${id}:${randomBytes(32).toString('base64')}`)
const phoneNumber = '+14155550142'

/**
 * A verification of this number, pending since 0, and the same canceled at once; both with an app that wants to know,
 * or one that does not.
 */
function make (wants: ['canceled'] | null): { pending: Verification, canceled: Verification, told: Verification } {
  const step = {
    method: 'otpless.otp', timeoutMs: 60_000, options: {}, isRepeatable: false, continueWhenRejected: false,
  }
  const { next: pending } = createVerification({
    id: 'ver_1', appId: 'shop', phoneNumber, reference: 'order-1', metadata: {}, locale: null, device: {}, returnUrl: null, key: null, includeProfile: false,
    workflow: [step], expiresAt: hour, ...wants === null ? {} : { wants },
  }, 0)
  const canceled = decide(pending, { type: 'canceled', reason: 'app_canceled' }, 0)?.next ?? pending
  const told = decide(canceled, { type: 'newsTaken', revision: canceled.revision }, 0)?.next ?? canceled
  return { pending, canceled, told }
}

t.test('how long', async t => {
  let time = 0
  const keeping = createRecordKeys({ sealer: createSealer(keys[0] ?? ''), now: () => time, retentionMs: day })
  const { pending, canceled } = make(null)
  t.match(keeping.deadlines(pending), { expiresAt: hour + day + 30 * day }, 'should no worker run for long')
  t.strictSame(keeping.deadlines(canceled), { expiresAt: day + hour, dueAt: day }, 'the sweeper has an hour')
  const owing = make(['canceled'])
  t.match(keeping.deadlines(owing.canceled), { expiresAt: day + 30 * day })
  t.strictSame(keeping.deadlines(owing.told), { expiresAt: day + hour, dueAt: day })

  time = day - 1
  t.notOk(keeping.isPastRetention(canceled))
  time = day
  t.ok(keeping.isPastRetention(canceled))
  t.ok(keeping.isPastRetention(owing.told))
  time = 20 * day
  t.notOk(keeping.isPastRetention(owing.canceled), 'what is still to be told is never over')
  t.notOk(keeping.isPastRetention(pending), 'nor what has not ended')
})

t.test('under which names', async t => {
  const [one, both] = [keys.slice(0, 1), keys].map(
    each => createRecordKeys({ sealer: createSealer(each.join()), now: () => 0, retentionMs: day }),
  )
  if (one === undefined || both === undefined) throw new Error('unreachable')
  const { pending } = make(null)
  const places = both.numberClaims('shop', phoneNumber)
  t.equal(places.length, 2)
  t.strictSame(places[0], one.numberClaims('shop', phoneNumber)[0], 'the first key decides where new ones live')
  t.equal(places[0].name, both.numberName('shop', phoneNumber))
  t.not(both.numberName('bank', phoneNumber), places[0].name)
  t.strictSame(one.indexEntries(pending).map(({ name }) => name), one.indexKeys(pending), 'entered under one key')
  t.equal(both.indexEntries(pending).length, 2)
  t.equal(both.indexKeys(pending).length, 4, 'looked for under all')
  t.strictSame(both.numberReleases(pending), places.map(place => ({ ...place, value: 'ver_1' })))
  t.strictSame(both.numberReleases({ ...pending, phoneNumber: null }), [])
  t.equal(both.indexKeys({ ...pending, phoneNumber: null, reference: null }).length, 0)
  t.notMatch(JSON.stringify([both.indexEntries(pending), both.numberReleases(pending)]), /4155550|order-/)
})
