import { setTimeout as delay } from 'node:timers/promises'
import t from 'tap'
import { createClock } from '../../src/store/clock.ts'
import { connectRedis, untilReady } from '../../src/store/redis.ts'
import { startRedis, until } from '../helpers/redis.ts'

/** Answers TIME like a Redis whose clock began at `state.epochMs`. It can be down, and its replies can be late. */
function createServer () {
  const state = { epochMs: 1_900_000_000_000, lateMs: 0, isDown: false, answered: 0 }
  const startedAt = performance.now()
  const read = (): number => state.epochMs + performance.now() - startedAt
  const time = async (): Promise<number[]> => {
    const ms = read()
    if (state.lateMs > 0) await delay(state.lateMs)
    state.answered += 1
    if (state.isDown) throw new Error('down')
    return [Math.floor(ms / 1_000), Math.floor(ms % 1_000 * 1_000)]
  }
  const next = async (): Promise<void> => {
    const before = state.answered
    await until(() => state.answered > before, 'it syncs again')
  }
  return { state, read, next, redis: { time } }
}

t.test('the clock shows the time of Redis, whatever this machine shows', async t => {
  const redis = connectRedis((await startRedis(t)).url, 'api', { onError: () => {} })
  t.teardown(() => redis.disconnect())
  await untilReady(redis)
  const { now: right } = Date
  t.teardown(() => { Date.now = right })
  const clock = createClock()
  t.teardown(() => clock.close())
  await clock.follow(redis)
  Date.now = () => right() - 3_600_000
  t.ok(Number.isInteger(clock.now()))
  t.ok(Math.abs(clock.now() - right()) < 500)
})

t.test('the clock follows Redis, and counts on while Redis is down', async t => {
  const { state, read, next, redis } = createServer()
  const clock = createClock()
  t.teardown(() => clock.close())
  await clock.follow(redis)
  const offMs = (): number => Math.abs(clock.now() - read())
  t.ok(offMs() < 100)
  state.isDown = true
  await next()
  t.ok(offMs() < 100, 'it counts on')
  state.isDown = false
  state.epochMs += 3_600_000
  await until(() => offMs() < 100, 'it follows Redis')
})

t.test('a slow reply corrects the clock no further than it proves', async t => {
  const { state, read, next, redis } = createServer()
  const clock = createClock()
  t.teardown(() => clock.close())
  await clock.follow(redis)
  state.lateMs = 600
  await next()
  await next()
  const offMs = Math.abs(clock.now() - read())
  t.ok(offMs < 100, `off by ${offMs} ms`)
})
