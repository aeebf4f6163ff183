import { setImmediate as nextTurn } from 'node:timers/promises'
import t from 'tap'
import { createTurns } from '../../src/webhooks/concurrency-limiter.ts'

t.test('so many at once for each name', async t => {
  const { take } = createTurns({ most: 2, patienceMs: 1_000, now: () => 0 })
  const [first, second] = await Promise.all([take('a', { isPatient: false }), take('a', { isPatient: false })])
  t.ok(first && second)
  t.equal(await take('a', { isPatient: false }), null)
  t.ok(await take('b', { isPatient: false }), 'others are not in the way')
  first?.()
  t.ok(await take('a', { isPatient: false }), 'when one has ended, the next comes')
})

t.test('who waits is next, in order', async t => {
  const { take } = createTurns({ most: 1, patienceMs: 60_000, now: () => 0 })
  const end = await take('a', { isPatient: true })
  const order: string[] = []
  const turns = ['second', 'third'].map(async name => {
    const end = await take('a', { isPatient: true })
    order.push(name)
    return end
  })
  end?.()
  t.equal(await take('a', { isPatient: false }), null, 'nobody comes between')
  ;(await turns[0])?.()
  ;(await turns[1])?.()
  t.strictSame(order, ['second', 'third'])
  t.ok(await take('a', { isPatient: false }), 'all have ended')
})

t.test('nobody waits long, nor for the slow', async t => {
  let time = 0
  const { take } = createTurns({ most: 1, patienceMs: 20, now: () => time })
  const end = await take('a', { isPatient: true })
  t.equal(await take('a', { isPatient: true }), null, 'the turn did not come')
  time = 21
  t.equal(await Promise.race([take('a', { isPatient: true }), nextTurn('waits')]), null, 'at once: whoever is at it is slow')
  end?.()
  t.ok(await take('a', { isPatient: true }))
})
