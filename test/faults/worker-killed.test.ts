import { setTimeout as delay } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { until } from '../helpers/redis.ts'
import { runLifecycle } from './lifecycle.ts'
import { retryUntilAnswered, numberOf, type End } from './oracle.ts'
import { longOrShort, isLong, startDeployment } from './deployment.ts'

// Most of the time passes until the leases of the killed process expire.
t.jobs = 3

/** An api process, simulators, and what a worker beside it needs. */
async function startApi (t: Test) {
  const { shop, simulators, oracle, api, worker, launch, start } = await startDeployment(t)
  await start(api)
  const accept = async (body: object, end: End): Promise<string> => {
    const { status, body: { id } } = await retryUntilAnswered(() => shop.create(body))
    if (status !== 201) throw new Error(`answered ${status}`)
    oracle.accept(id, end)
    return id
  }
  return { shop, simulators, oracle, accept, launchWorker: () => launch(worker), startWorker: () => start(worker) }
}

t.test('killed in the middle of a profile fetch', { buffered: true }, async t => {
  const { accept, simulators, oracle, launchWorker, startWorker } = await startApi(t)
  const worker = await startWorker()
  const count = 5
  const fetches = (): number => simulators.requests.filter(({ path }) => path === '/v1/default').length
  simulators.fail({ provider: 'truecaller', answer: 'hang', path: '/v1/default', times: count })
  for (let n = 0; n < count; n += 1) await accept(
    { phoneNumber: numberOf(n, '10'), workflow: ['truecaller.push'] }, 'verified',
  )
  await until(() => fetches() === count, 'every profile is being fetched')

  const killedAt = performance.now()
  await worker.kill()
  launchWorker()
  const settled = await oracle.judge('worker SIGKILLed in the middle of a profile fetch')
  const seconds = (performance.now() - killedAt) / 1000
  t.comment(`all verified ${seconds.toFixed(1)} s after the kill`)
  t.equal(fetches(), 2 * count, 'each profile was fetched once more')
  // A callback that overtakes the response to the start saves a revision.
  for (const { verification: { revision, attempts } } of settled) {
    t.ok(revision <= 4 && attempts.length === 1, `it ends once, with revision ${revision}`)
  }
})

t.test('killed in the middle of a sweep', { buffered: true }, async t => {
  const { accept, oracle, launchWorker, startWorker } = await startApi(t)
  const count = longOrShort(200, 50)
  for (let n = 0; n < count; n += 25) {
    await Promise.all(Array.from({ length: 25 }, (_, m) => accept(
      { phoneNumber: numberOf(n + m, '10'), workflow: [{ method: 'otpless.otp', timeoutSeconds: 1 }] },
      'expired/attempt_timeout',
    )))
  }
  const createdAt = performance.now()
  await until(() => performance.now() > createdAt + 1_000, 'all are due')
  t.equal(oracle.reached(3), 0, 'no worker runs')

  const worker = await startWorker()
  await until(() => oracle.reached(3) > 0, 'the first ones end')
  await worker.kill()
  const ended = oracle.reached(3)
  t.ok(ended < count, `${ended} of ${count} had ended when the worker was gone`)
  launchWorker()
  const settled = await oracle.judge(`worker SIGKILLed in the middle of a sweep (${ended} of ${count} done)`)
  t.same(new Set(settled.map(({ verification }) => verification['revision'])), new Set([3]))
})

if (isLong) t.test('killed at random moments, ten times', { buffered: true }, async t => {
  const { shop, simulators, oracle, startWorker } = await startApi(t)
  const kills = 10
  const killing = (async () => {
    // Two workers are always running, as under a supervisor; which of them has which job is left to
    // chance.
    const crew = [startWorker(), startWorker()]
    for (let n = 0; n < kills; n += 1) {
      const worker = await crew.shift()
      crew.push(startWorker())
      await delay(Math.random() * 300)
      await worker?.kill()
    }
    await Promise.all(crew)
  })()

  for (let n = 0; n < 100; n += 1) {
    if (n % 10 === 0) simulators.fail({ provider: 'truecaller', answer: 'hang', path: '/v1/default' })
    await runLifecycle(n, shop, oracle)
    await delay(50)
  }
  await killing
  const settled = await oracle.judge(`worker SIGKILLed ${kills} times at random`)
  t.equal(settled.length, 100)
  t.comment(`${simulators.requests.filter(({ path }) => path === '/v1/default').length} profile fetches`)
})
