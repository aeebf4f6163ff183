import { setImmediate } from 'node:timers/promises'
import t from 'tap'
import { createConcurrencyLimiter } from '../../src/webhooks/concurrency-limiter.ts'

t.test('at most `max` tasks at once per key', async t => {
  const { acquire } = createConcurrencyLimiter({ max: 2, patienceMs: 1_000, now: () => 0 })
  const [first, second] = [await acquire('a', { wait: false }), await acquire('a', { wait: false })]
  t.ok(first && second)
  t.equal(await acquire('a', { wait: false }), null)
  t.ok(await acquire('b', { wait: false }), 'another key')
  first?.()
  t.ok(await acquire('a', { wait: false }), 'a released slot can be acquired')
  t.equal(await acquire('a', { wait: false }), null)
})

t.test('waiting callers get the slots first, in the order of arrival', async t => {
  const { acquire } = createConcurrencyLimiter({ max: 1, patienceMs: 60_000, now: () => 0 })
  const release = await acquire('a', { wait: true })
  const order: string[] = []
  const waiting = ['second', 'third'].map(async name => {
    const release = await acquire('a', { wait: true })
    order.push(name)
    return release
  })
  release?.()
  t.equal(await acquire('a', { wait: false }), null, 'a later caller gets no slot')
  ;(await waiting[0])?.()
  ;(await waiting[1])?.()
  t.strictSame(order, ['second', 'third'])
  t.ok(await acquire('a', { wait: false }), 'all slots are released')
})

t.test('a caller waits for a limited time, and not for a slow task', async t => {
  let time = 0
  const { acquire } = createConcurrencyLimiter({ max: 1, patienceMs: 20, now: () => time })
  const release = await acquire('a', { wait: true })
  t.equal(await acquire('a', { wait: true }), null, 'no slot was released in time')
  time = 20
  const waiting = acquire('a', { wait: true })
  t.equal(await Promise.race([waiting, setImmediate('waits')]), 'waits', 'a task is slow after that time only')
  t.equal(await waiting, null)
  time = 21
  t.equal(await Promise.race([acquire('a', { wait: true }), setImmediate('waits')]), null, 'at once')
  release?.()
  t.ok(await acquire('a', { wait: true }))
})

t.test('one slow task is enough: the one that runs longest counts', async t => {
  let time = 0
  const { acquire } = createConcurrencyLimiter({ max: 2, patienceMs: 20, now: () => time })
  const slow = await acquire('a', { wait: true })
  time = 15
  await acquire('a', { wait: true })
  time = 21
  t.equal(await Promise.race([acquire('a', { wait: true }), setImmediate('waits')]), null)
  slow?.()
  t.ok(await acquire('a', { wait: true }))
})
