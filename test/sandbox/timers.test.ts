import t from 'tap'
import { createTimers } from '../../src/sandbox/timers.ts'

t.test('timers fire, repeat and can be awaited', async t => {
  const timers = createTimers()
  let fired = 0
  await new Promise<void>(resolve => timers.every(1, () => {
    fired += 1
    if (fired === 3) resolve()
  }))
  await timers.sleep(1)
  t.ok(fired >= 3)
  timers.stop()
})

t.test('after stop nothing fires and nothing starts', async t => {
  const timers = createTimers()
  let fired = 0
  timers.after(1, () => { fired += 1 })
  timers.every(1, () => { fired += 1 })
  timers.stop()
  timers.after(1, () => { fired += 1 })
  const other = createTimers()
  await other.sleep(20)
  other.stop()
  t.equal(fired, 0)
})
