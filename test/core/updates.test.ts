import t from 'tap'
import { bumpRevision, endAttempt, updateBeside, updateSilently, updateVisibly, withFindableId } from
  '../../src/core/updates.ts'
import type { Pending } from '../../src/core/verification.ts'
import { apply, events, pendingAttempt, start, states } from './fixtures.ts'

const [waiting, resolving] = [states.waiting, states.resolvingApp].map(state => state as Pending)
const [later, hash] = [start + 5, 'hash of the evidence']
if (waiting === undefined || resolving === undefined) throw new Error('no states')

t.test('what nobody sees keeps the revision and the time; what is visible does not', async t => {
  const attempt = { ...pendingAttempt(waiting), startedAt: 7 }
  t.match(updateSilently(waiting, attempt), {
    effect: null, next: { revision: waiting.revision, updatedAt: waiting.updatedAt, attempts: [{ startedAt: 7 }] },
  })
  t.match(updateVisibly(waiting, attempt, later), {
    effect: null, next: { revision: waiting.revision + 1, updatedAt: later, attempts: [{ startedAt: 7 }] },
  })
  t.match(bumpRevision(waiting, later), { revision: waiting.revision + 1, updatedAt: later })
})

t.test('beside a query the effect keeps the revision that it began with', async t => {
  const first = updateBeside(resolving, pendingAttempt(resolving), later).next
  t.match(pendingAttempt(first), { effectRevision: resolving.revision })
  const second = updateBeside(first, pendingAttempt(first), later).next
  t.equal(second.revision, resolving.revision + 2)
  t.match(pendingAttempt(second), { effectRevision: resolving.revision })
  t.notOk('effectRevision' in pendingAttempt(updateBeside(waiting, pendingAttempt(waiting), later).next))
})

t.test('an attempt that has ended keeps what is shown, and the hash of evidence that was judged', async t => {
  const evidence = { from: 'app', value: { code: '1' }, hash } as const
  const judged = { ...resolving, attempts: [{ ...pendingAttempt(resolving), evidence }] } as Pending
  const ended = (status: 'verified' | 'failed' | 'expired' | 'canceled', reason: Parameters<typeof endAttempt>[2]) =>
    endAttempt(judged, status, reason, later).attempts[0]
  t.strictSame(ended('verified', null), {
    status: 'verified', reason: null, method: 'truid.phone_check', startedAt: start, endedAt: later, evidenceHash: hash,
  })
  t.match(ended('failed', 'number_mismatch'), { evidenceHash: hash })
  for (const [status, reason] of [
    ['failed', 'provider_timeout'], ['expired', 'deadline'], ['canceled', 'app_canceled'],
  ] as const) t.notOk('evidenceHash' in (ended(status, reason) ?? {}), reason)
  const reported = apply(states.waiting, events.deliveryReported) as Pending
  t.match(endAttempt(reported, 'failed', 'abandoned', later).attempts, [{ receipts: [{ status: 'delivered' }] }])
  const over = endAttempt(judged, 'failed', 'abandoned', later)
  t.equal(endAttempt(over, 'canceled', 'app_canceled', later + 1), over, 'it ends once')
})

t.test('ids by which callbacks find an attempt', async t => {
  t.strictSame(
    withFindableId({ findableIds: ['a'] }, { providerId: 'b', isFindable: true }), { findableIds: ['a', 'b'] },
  )
  t.strictSame(withFindableId({}, { providerId: 'b', isFindable: true }), { findableIds: ['b'] })
  for (const event of [{}, { isFindable: true }, { providerId: 'b' }]) t.strictSame(withFindableId({}, event), {})
})
