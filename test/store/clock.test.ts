import { setTimeout as delay } from 'node:timers/promises'
import t from 'tap'
import { startClock } from '../../src/store/clock.ts'
import { connectRedis, untilReady } from '../../src/store/redis.ts'
import { startRedis, until } from '../helpers/redis.ts'

/**
 * What answers TIME as a Redis would whose clock began at `state.epochMs`. It may be away, and its answers may come
 * late.
 */
function createServer () {
  const state = { epochMs: 1_900_000_000_000, lateMs: 0, isAway: false, answered: 0 }
  const startedAt = performance.now()
  const read = (): number => state.epochMs + performance.now() - startedAt
  const time = async (): Promise<number[]> => {
    const ms = read()
    if (state.lateMs > 0) await delay(state.lateMs)
    state.answered += 1
    if (state.isAway) throw new Error('away')
    return [Math.floor(ms / 1_000), Math.floor(ms % 1_000 * 1_000)]
  }
  const next = async (): Promise<void> => {
    const before = state.answered
    await until(() => state.answered > before, 'it asks again')
  }
  return { state, read, next, redis: { time } }
}

t.test('it shows what Redis shows, whatever this machine shows', async t => {
  const redis = connectRedis((await startRedis(t)).url, 'api', { onError: () => {} })
  t.teardown(() => redis.disconnect())
  await untilReady(redis)
  const { now: right } = Date
  t.teardown(() => { Date.now = right })
  const clock = await startClock(redis)
  t.teardown(() => clock.close())
  Date.now = () => right() - 3_600_000
  t.ok(Number.isInteger(clock.now()))
  t.ok(Math.abs(clock.now() - right()) < 500)
})

t.test('it follows Redis, and counts on without it', async t => {
  const { state, read, next, redis } = createServer()
  const clock = await startClock(redis)
  t.teardown(() => clock.close())
  const offMs = (): number => Math.abs(clock.now() - read())
  t.ok(offMs() < 100)
  state.isAway = true
  await next()
  t.ok(offMs() < 100, 'it goes on')
  state.isAway = false
  state.epochMs += 3_600_000
  await until(() => offMs() < 100, 'it goes where Redis goes')
})

t.test('a slow answer moves it no further than it proves', async t => {
  const { state, read, next, redis } = createServer()
  const clock = await startClock(redis)
  t.teardown(() => clock.close())
  state.lateMs = 600
  await next()
  await next()
  const offMs = Math.abs(clock.now() - read())
  t.ok(offMs < 100, `off by ${offMs} ms`)
})
