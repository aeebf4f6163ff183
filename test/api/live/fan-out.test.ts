import { setImmediate as turn } from 'node:timers/promises'
import t from 'tap'
import { createFanOut } from '../../../src/api/live/fan-out.ts'
import type { Listener } from '../../../src/store/change-feed.ts'
import { type Verification } from '../../../src/core/verification.ts'
import { createVerification } from '../../../src/core/decide.ts'

const record = (revision: number): Verification => ({
  ...createVerification({
    id: 'ver_1', appId: 'app', phoneNumber: null, reference: null, metadata: {}, locale: null, device: {},
    returnUrl: null, includeProfile: false, minAssurance: 1,
    workflow: [
      { method: 'otpless.otp', timeoutMs: 1, options: {}, isRepeatable: false, continueWhenRejected: false },
    ], expiresAt: 1, webhookEvents: [], idempotency: null,
  }, 0).next, revision,
})

/** A gateway with one record; the test answers each read. */
function createTopic () {
  const reads: ((answer: Verification | Error) => void)[] = []
  const listeners = new Set<Listener>()
  const follow = createFanOut({
    get: () => new Promise((resolve, reject) => {
      reads.push(answer => answer instanceof Error ? reject(answer) : resolve(answer))
    }),
    listen: (_id, listener) => {
      listeners.add(listener)
      return () => { listeners.delete(listener) }
    },
  })
  const publish = (text: string | null): void => { for (const listener of [...listeners]) listener(text) }
  const answer = async (read: number, what: Verification | Error): Promise<void> => {
    reads[read]?.(what)
    await turn()
  }
  const open = () => {
    const seen: unknown[] = []
    return {
      seen, ...follow('ver_1', { next: ({ revision }) => seen.push(revision), error: error => seen.push(error) }),
    }
  }
  return { follow, reads, listeners, publish, answer, open }
}

t.test('subscribers share one listener, and one read for each change', async t => {
  const { open, answer, publish, reads, listeners } = createTopic()
  const [first, second] = [open(), open()]
  t.equal(listeners.size, 1)
  await answer(0, record(1))
  t.same([first.seen, second.seen], [[1], []], 'a subscriber that joins during a read gets the next one')
  await answer(1, record(1))
  t.same([first.seen, second.seen], [[1, 1], [1]])
  publish('2')
  publish('2')
  publish('3')
  await answer(2, record(3))
  await answer(3, record(3))
  t.same([first.seen, second.seen], [[1, 1, 3, 3], [1, 3, 3]])
  t.equal(reads.length, 4, 'changes during a read cause one more read')
  publish('3')
  t.equal(reads.length, 4, 'an invisible change causes no read')
  publish(null)
  await answer(4, record(3))
  publish('erased')
  t.equal(reads.length, 6)
  second.unsubscribe()
  const error = new Error('gone')
  await answer(5, error)
  t.same(first.seen.at(-1), error)
  t.equal(second.seen.length, 4, 'an unsubscribed one receives nothing')
  first.refresh()
  t.equal(reads.length, 7, 'it continues after an error')
  first.unsubscribe()
  first.unsubscribe()
  t.equal(listeners.size, 0)
  await answer(6, record(4))
  t.equal(reads.length, 7)
  open()
  t.equal(listeners.size, 1, 'a new subscription starts again')
})

t.test('a failing subscriber does not affect the others', async t => {
  const { follow, open, answer } = createTopic()
  const missed: unknown[] = []
  follow('ver_1', { next: () => { throw new Error('boom') }, error: error => missed.push(error) })
  const other = open()
  await answer(0, record(1))
  await answer(1, record(1))
  t.match(missed, [{ message: 'boom' }, { message: 'boom' }])
  t.same(other.seen, [1])
})
