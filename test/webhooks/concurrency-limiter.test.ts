import { setImmediate as nextTurn } from 'node:timers/promises'
import t from 'tap'
import { createConcurrencyLimiter } from '../../src/webhooks/concurrency-limiter.ts'

t.test('so many at once for each name', async t => {
  const { acquire } = createConcurrencyLimiter({ max: 2, patienceMs: 1_000, now: () => 0 })
  const [first, second] = await Promise.all([acquire('a', { isPatient: false }), acquire('a', { isPatient: false })])
  t.ok(first && second)
  t.equal(await acquire('a', { isPatient: false }), null)
  t.ok(await acquire('b', { isPatient: false }), 'others are not in the way')
  first?.()
  t.ok(await acquire('a', { isPatient: false }), 'when one has ended, the next comes')
})

t.test('who waits is next, in order', async t => {
  const { acquire } = createConcurrencyLimiter({ max: 1, patienceMs: 60_000, now: () => 0 })
  const end = await acquire('a', { isPatient: true })
  const order: string[] = []
  const turns = ['second', 'third'].map(async name => {
    const end = await acquire('a', { isPatient: true })
    order.push(name)
    return end
  })
  end?.()
  t.equal(await acquire('a', { isPatient: false }), null, 'nobody comes between')
  ;(await turns[0])?.()
  ;(await turns[1])?.()
  t.strictSame(order, ['second', 'third'])
  t.ok(await acquire('a', { isPatient: false }), 'all have ended')
})

t.test('nobody waits long, nor for the slow', async t => {
  let time = 0
  const { acquire } = createConcurrencyLimiter({ max: 1, patienceMs: 20, now: () => time })
  const end = await acquire('a', { isPatient: true })
  t.equal(await acquire('a', { isPatient: true }), null, 'the turn did not come')
  time = 21
  t.equal(
    await Promise.race([acquire('a', { isPatient: true }), nextTurn('waits')]), null,
    'at once: whoever is at it is slow',
  )
  end?.()
  t.ok(await acquire('a', { isPatient: true }))
})
