import { setImmediate as turn } from 'node:timers/promises'
import t from 'tap'
import { createFanOut } from '../../../src/api/live/fan-out.ts'
import type { Listener } from '../../../src/store/change-feed.ts'
import { type Verification } from '../../../src/core/verification.ts'
import { createVerification } from '../../../src/core/decide.ts'

const record = (revision: number): Verification => ({
  ...createVerification({
    id: 'ver_1', appId: 'app', phoneNumber: null, reference: null, metadata: {}, locale: null, device: {}, returnUrl: null, includeProfile: false,
    workflow: [
      { method: 'otpless.otp', timeoutMs: 1, options: {}, isRepeatable: false, continueWhenRejected: false },
    ], expiresAt: 1, key: null,
  }, 0).next, revision,
})

/** A store with one record, whose answers the test gives. */
function createSubject () {
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
  const announce = (text: string | null): void => { for (const listener of [...listeners]) listener(text) }
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
  return { follow, reads, listeners, announce, answer, open }
}

t.test('many follow by one listener and one read for each change', async t => {
  const { open, answer, announce, reads, listeners } = createSubject()
  const [first, second] = [open(), open()]
  t.equal(listeners.size, 1)
  await answer(0, record(1))
  t.same([first.seen, second.seen], [[1], []], 'who came while it was being read waits for the next read')
  await answer(1, record(1))
  t.same([first.seen, second.seen], [[1, 1], [1]])
  announce('2')
  announce('2')
  announce('3')
  await answer(2, record(3))
  await answer(3, record(3))
  t.same([first.seen, second.seen], [[1, 1, 3, 3], [1, 3, 3]])
  t.equal(reads.length, 4, 'what comes while it is being read is one more read, not one each')
  announce('3')
  t.equal(reads.length, 4, 'what cannot be seen is not read')
  announce(null)
  await answer(4, record(3))
  announce('erased')
  t.equal(reads.length, 6)
  second.unsubscribe()
  const error = new Error('gone')
  await answer(5, error)
  t.same(first.seen.at(-1), error)
  t.equal(second.seen.length, 4, 'who stopped sees no more')
  first.refresh()
  t.equal(reads.length, 7, 'it goes on after a miss')
  first.unsubscribe()
  first.unsubscribe()
  t.equal(listeners.size, 0)
  await answer(6, record(4))
  t.equal(reads.length, 7)
  open()
  t.equal(listeners.size, 1, 'and can begin again')
})

t.test('one that fails does not stand in the way of the others', async t => {
  const { follow, open, answer } = createSubject()
  const missed: unknown[] = []
  follow('ver_1', { next: () => { throw new Error('boom') }, error: error => missed.push(error) })
  const other = open()
  await answer(0, record(1))
  await answer(1, record(1))
  t.match(missed, [{ message: 'boom' }, { message: 'boom' }])
  t.same(other.seen, [1])
})
