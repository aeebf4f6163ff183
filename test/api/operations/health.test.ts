import t from 'tap'
import { createHealth, type HealthParts } from '../../../src/api/operations/health.ts'

/** The health of a process that is healthy, except for the overrides. */
function createTestHealth (overrides: Partial<HealthParts> = {}) {
  const state = { now: 1_000_000, isSlow: false, isAlive: true, isStuck: false, ping: async (): Promise<void> => {} }
  return {
    state,
    health: createHealth({
      store: { ping: () => state.ping() }, workers: { isAlive: () => state.isAlive, isStuck: () => state.isStuck },
      isSlow: () => state.isSlow, now: () => state.now, ...overrides,
    }),
  }
}

t.test('a slow event loop is unavailable, and stuck after a minute', async t => {
  const { health, state } = createTestHealth()
  t.same(health.live(), { status: 'ok', checks: { eventLoop: 'ok', workers: 'ok' } })
  state.isSlow = true
  t.match(await health.ready(), { status: 'unavailable', checks: { eventLoop: 'slow', redis: 'ok' } })
  t.equal(health.live().status, 'ok')
  state.now += 59_999
  t.equal(health.live().status, 'ok')
  state.isSlow = false
  t.equal(health.live().status, 'ok', 'one fast sample restarts the minute')
  state.isSlow = true
  state.now += 59_999
  t.equal(health.live().status, 'ok')
  state.now += 60_000
  t.match(health.live(), { status: 'stuck', checks: { eventLoop: 'stuck', workers: 'ok' } })
  state.isSlow = false
  t.equal(health.live().status, 'ok')
  t.equal((await health.ready()).status, 'ready')
})

t.test('a process is ready when Redis answers, the workers run and it is not draining', async t => {
  const { health, state } = createTestHealth()
  t.same(
    await health.ready(), { status: 'ready', checks: { redis: 'ok', workers: 'ok', eventLoop: 'ok', draining: false } },
  )
  state.ping = async () => { throw new Error('down') }
  t.match(await health.ready(), { status: 'unavailable', checks: { redis: 'unreachable', workers: 'ok' } })
  t.equal(health.live().status, 'ok', 'a restart would not repair Redis')
  state.ping = async () => {}
  state.isAlive = false
  t.match(await health.ready(), { status: 'unavailable', checks: { redis: 'ok', workers: 'stopped' } })
  state.isAlive = true
  health.drain()
  t.match(await health.ready(), { status: 'unavailable', checks: { draining: true } })
  t.equal(health.live().status, 'ok')
})

t.test('stuck workers require a restart; a process without workers is healthy', async t => {
  const { health, state } = createTestHealth()
  state.isStuck = true
  t.match(health.live(), { status: 'stuck', checks: { workers: 'stuck' } })
  const { health: api } = createTestHealth({ workers: null })
  t.match(api.live(), { status: 'ok', checks: { workers: 'none' } })
  t.match(await api.ready(), { status: 'ready', checks: { workers: 'none' } })
})
