import { setTimeout as delay } from 'node:timers/promises'
import t from 'tap'
import type { GatewayProcess } from '../helpers/process.ts'
import { until } from '../helpers/redis.ts'
import { startBalancer } from './balancer.ts'
import { runLifecycle } from './lifecycle.ts'
import { startDeployment } from './deployment.ts'


t.test('two api and two worker processes replaced under load, without a failed request', async t => {
  const { url, shop, oracle, all: environment, start } = await startDeployment(t)
  const balancer = await startBalancer(t, Number(new URL(url).port))
  const started = async (role: 'api' | 'worker'): Promise<GatewayProcess> => {
    const gateway = await start(
      { ...environment, PORT: '0', ROLE: role, SHUTDOWN_DELAY_SECONDS: role === 'api' ? '2' : '0' },
    )
    if (role === 'api') await balancer.add(await gateway.listening)
    return gateway
  }
  const startAll = (): Promise<GatewayProcess[]> =>
    Promise.all([started('api'), started('api'), started('worker'), started('worker')])
  const [api1, api2, worker1, worker2] = await startAll()
  if (
    api1 === undefined || api2 === undefined || worker1 === undefined || worker2 === undefined
  ) throw new Error('not started')

  let isReplaced = false
  const lives: Promise<void>[] = []
  const load = (async () => {
    for (let n = 0; !isReplaced; n += 1) {
      // Without provider failures: a new worker that sees mostly failures opens its breaker.
      if (n % 5 !== 3) lives.push(runLifecycle(n, shop, oracle))
      await delay(80)
    }
  })()
  await until(() => oracle.reached(2) >= 10, 'the load is under way')

  const from = performance.now()
  await startAll()
  const codes: number[] = []
  for (const olds of [[api1, worker1], [api2, worker2]]) {
    for (const old of olds) old.signal('SIGTERM')
    for (const old of olds) codes.push((await old.ended).code)
  }
  const seconds = ((performance.now() - from) / 1000).toFixed(1)
  isReplaced = true
  await load
  await Promise.all(lives)
  t.same(codes, [0, 0, 0, 0], 'all four exit with 0')
  await oracle.judge('two api and two worker processes replaced under load')
  t.same(balancer.failures, [], 'each request was answered without a 5xx')
  const counts = [...balancer.answered.values()]
  t.equal(counts.length, 4, 'all four api processes served requests')
  t.comment(
    `replaced within ${seconds} s; ${counts.reduce((sum, count) => sum + count, 0)} requests, `
      + `failed ${balancer.failures.length}`,
  )
})
