import { randomBytes } from 'node:crypto'
import t from 'tap'
import { createApps, type App } from '../../src/apps/apps.ts'
import { createMessagePolicy } from '../../src/apps/message-policy.ts'
import { createSealer, numberTag } from '../../src/store/sealing.ts'
import { createLogger } from '../../src/telemetry/logger.ts'
import { createMetrics } from '../../src/telemetry/metrics.ts'

const hour = 3_600_000
const target = { appId: 'shop', phoneNumber: '+447700900123', country: 'GB' }

/** A policy of which each message uses a tenth of the budget. */
function start (unverifiedBudget?: App['unverifiedBudget']) {
  const sealer = createSealer(`k1:${randomBytes(32).toString('base64')}`)
  const metrics = createMetrics({ providers: {}, queues: [], storeErrorCodes: [] })
  const lines: Record<string, unknown>[] = []
  let used = 0
  const policy = createMessagePolicy({
    apps: createApps([
      { id: 'shop', name: 'Shop', keys: [], ...unverifiedBudget === undefined ? {} : { unverifiedBudget } },
    ]),
    budget: {
      ready: async () => {}, usedShare: () => used / 10,
      count (_app, _country, _what, _at, times = 1) { used += times },
    },
    sealer, metrics, log: createLogger('info', { write: line => { lines.push(JSON.parse(line)) } }),
  })
  const monitored = async (): Promise<number> => {
    const text = await metrics.registry.metrics()
    return Number(/^verigate_monitored_requests_total\{cause="unverified_budget"\} (\d+)$/m.exec(text)?.[1])
  }
  return { policy, lines, monitored, numberTag: numberTag(sealer, target.phoneNumber), used: () => used }
}

t.test('by default a budget is enforced, and half of it is reported once an hour', async t => {
  const { policy, lines, numberTag, used } = start()
  for (let n = 0; n < 4; n += 1) t.equal((await policy.begin(target, hour)).refusal, null)
  t.strictSame(lines, [])
  for (let n = 0; n < 6; n += 1) t.equal((await policy.begin(target, hour)).refusal, null)
  t.match(lines, [{ msg: 'half of the unverified budget is used', app: 'shop', country: 'GB', level: 40 }])
  t.equal(lines.length, 1)
  const { refusal } = await policy.begin(target, 2 * hour - 90_500)
  t.match(refusal, {
    apiCode: 'rate_limited', extra: { retryAfterSeconds: 90.5, refusal: { cause: 'unverified_budget', numberTag } },
  })
  t.equal(used(), 10, 'what is refused does not count')
  t.equal(lines.length, 1, 'the error handler logs a refusal')
})

t.test('the first message of a process waits for the counts of the others', async t => {
  const known = Promise.withResolvers<void>()
  let share = 0
  const policy = createMessagePolicy({
    apps: createApps([{ id: 'shop', name: 'Shop', keys: [] }]),
    budget: { ready: () => known.promise, usedShare: () => share, count () {} },
    sealer: createSealer(`k1:${randomBytes(32).toString('base64')}`), metrics: { countMonitored () {} },
    log: createLogger('info', { write () {} }),
  })
  const permit = policy.begin(target, hour)
  share = 1
  known.resolve()
  t.match((await permit).refusal, { apiCode: 'rate_limited' })
})

t.test('what was not sent is given back', async t => {
  const { policy, used, lines } = start()
  for (let n = 0; n < 5; n += 1) (await policy.begin(target, hour)).giveBack()
  t.equal(used(), 0)
  for (let n = 0; n < 5; n += 1) await policy.begin(target, hour)
  t.equal(lines.length, 1)
  await policy.begin(target, 2 * hour)
  t.equal(lines.length, 2, 'the next hour')
  const { refusal } = await policy.begin({ ...target, appId: 'bank', country: 'FR' }, 2 * hour)
  t.equal(refusal, null)
  t.equal(lines.length, 3, 'another app and country')
})

t.test('monitor counts and logs, without a number', async t => {
  const { policy, lines, monitored, numberTag, used } = start({ mode: 'monitor' })
  for (let n = 0; n < 11; n += 1) t.equal((await policy.begin(target, hour)).refusal, null)
  t.match(lines.at(-1), { audit: 'monitored', app: 'shop', cause: 'unverified_budget', numberTag, msg: 'audit' })
  t.equal(await monitored(), 1)
  t.equal(used(), 11)
  t.notMatch(JSON.stringify(lines), '7700900')
})

t.test('a verification without a number or country has no budget', async t => {
  const { policy, used } = start()
  await policy.begin({ ...target, phoneNumber: null }, hour)
  await policy.begin({ appId: 'shop', phoneNumber: target.phoneNumber }, hour)
  t.equal(used(), 0)
})
