import t from 'tap'
import { deadlinesOf, dueAt, isPastRetention } from '../../src/core/deadlines.ts'
import { leaseMs } from '../../src/core/verification.ts'
import { apply, created, events, start, states } from './fixtures.ts'

const [hour, day] = [3_600_000, 86_400_000]

t.test('dueAt: when the passing of time changes something', async t => {
  t.equal(dueAt(states.unclaimed), start + leaseMs.start)
  t.equal(dueAt(states.claimed), start + leaseMs.start)
  t.equal(dueAt(states.waiting), start + 60_000)
  t.equal(dueAt(states.resolvingApp), start + leaseMs.resolve)
  t.equal(dueAt(states.polling), start + 2_000)
  t.equal(dueAt(created({ expiresAt: start + 3_000 })), start + 3_000, 'not after the deadline')
  const pending = { ...events.stillPendingApp, retryAfterMs: 900_000 }
  t.equal(dueAt(apply(states.resolvingApp, pending)), start + 60_000, 'not after the attempt')
  for (const name of ['verified', 'failed', 'expired', 'canceled'] as const) t.equal(dueAt(states[name]), null, name)
})

t.test('deadlines: when Redis drops the record, and when the sweeper looks at it', async t => {
  const { waiting } = states
  t.strictSame(
    deadlinesOf(waiting, day), { expiresAt: start + 600_000 + day + 30 * day, dueAt: start + 60_000 },
    'without a worker for a month, Redis drops it',
  )
  const canceled = apply(waiting, events.canceled, start + hour)
  const ended = start + hour
  t.strictSame(
    deadlinesOf(canceled, day), { expiresAt: ended + day + hour, dueAt: ended + day },
    'the retention counts from the end; the sweeper has an hour',
  )
  t.notOk(isPastRetention(canceled, day, ended + day - 1))
  t.ok(isPastRetention(canceled, day, ended + day))
  t.notOk(isPastRetention(waiting, day, start + 20 * day), 'it has not ended')
})
