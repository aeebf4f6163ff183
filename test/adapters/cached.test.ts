import t from 'tap'
import { createCached } from '../../src/adapters/cached.ts'

/** A cache whose fetches the test answers, and a clock that the test sets. */
function setUp (coolDownMs = 0) {
  const clock = { now: 1_000 }
  const fetches: PromiseWithResolvers<{ value: string, ttlMs: number }>[] = []
  const fetch = () => {
    const answer = Promise.withResolvers<{ value: string, ttlMs: number }>()
    fetches.push(answer)
    return answer.promise
  }
  return { clock, fetches, cached: createCached({ fetch, coolDownMs, now: () => clock.now }) }
}

t.test('callers at the same time share one fetch, and later ones its value', async t => {
  const { cached, fetches, clock } = setUp()
  t.equal(cached.peek(), null)
  const both = Promise.all([cached.get(), cached.get()])
  await Promise.resolve()
  t.equal(fetches.length, 1)
  fetches[0]?.resolve({ value: 'a', ttlMs: 100 })
  t.strictSame(await both, ['a', 'a'])
  clock.now += 99
  t.equal(await cached.get(), 'a')
  t.strictSame(cached.peek(), { value: 'a', isFresh: true })
  t.equal(fetches.length, 1)
})

t.test('the life of a value counts from the start of its fetch', async t => {
  const { cached, fetches, clock } = setUp()
  const first = cached.get()
  clock.now += 60
  fetches[0]?.resolve({ value: 'a', ttlMs: 100 })
  await first
  clock.now += 40
  t.strictSame(cached.peek(), { value: 'a', isFresh: false }, 'an expired value can still be read')
  const second = cached.get()
  fetches[1]?.resolve({ value: 'b', ttlMs: 100 })
  t.equal(await second, 'b')
})

t.test('a failed fetch reaches every caller and can be repeated at once', async t => {
  const { cached, fetches } = setUp()
  const both = [cached.get(), cached.get()]
  fetches[0]?.reject(new Error('away'))
  for (const failed of both) await t.rejects(failed, { message: 'away' })
  const again = cached.get()
  fetches[1]?.resolve({ value: 'a', ttlMs: 100 })
  t.equal(await again, 'a')
})

t.test('during the cool-down a refresh returns the last result', async t => {
  const { cached, fetches, clock } = setUp(50)
  const failed = cached.refresh()
  fetches[0]?.reject(new Error('away'))
  await t.rejects(failed)
  clock.now += 49
  await t.rejects(cached.refresh(), { message: 'away' })
  t.equal(fetches.length, 1)
  clock.now += 1
  const second = cached.refresh()
  fetches[1]?.resolve({ value: 'a', ttlMs: 100 })
  t.equal(await second, 'a')
  t.equal(await cached.refresh(), 'a')
  t.equal(fetches.length, 2)
  clock.now += 50
  const third = cached.refresh()
  fetches[2]?.reject(new Error('away again'))
  await t.rejects(third)
  t.strictSame(cached.peek(), { value: 'a', isFresh: true }, 'a failed refresh keeps the value')
})

t.test('only the current value can be forgotten', async t => {
  const { cached, fetches } = setUp()
  const first = cached.get()
  fetches[0]?.resolve({ value: 'a', ttlMs: 100 })
  await first
  cached.forget('an older value')
  t.equal(await cached.get(), 'a')
  cached.forget('a')
  t.equal(cached.peek(), null)
  const second = cached.get()
  fetches[1]?.resolve({ value: 'b', ttlMs: 100 })
  t.equal(await second, 'b')
})
