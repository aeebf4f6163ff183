import { setTimeout as delay } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { until } from '../helpers/redis.ts'
import { runLifecycle } from './lifecycle.ts'
import { countLost, submitCodes, withBackoff, startCreateProbe, startSteadyLoad, healthyKind } from './steady-load.ts'
import { hasReplicas, openAdmin, startFollower, startReplicated, startSentinels } from './topology.ts'
import { isLong, longOrShort, startDeployment } from './deployment.ts'
import { startWire } from './wire.ts'

t.jobs = longOrShort(1, 2)

/** A master, its replica, a replica of that, three Sentinels, and an api and a worker that know the Sentinels. */
async function startWatched (t: Test, environment: Record<string, string>) {
  const { master, replicas: [next] } = await startReplicated(t, 1)
  if (next === undefined) throw new Error('no replica')
  await startFollower(t, next)
  const sentinels = await startSentinels(t, master, { replicas: 1 })
  const deployment = await startDeployment(t, {
    redisUrl: sentinels.url, environment, simulatorOptions: { retryScale: 1 }, losesUnreplicated: true,
  })
  const processes = await Promise.all([deployment.start(deployment.api), deployment.start(deployment.worker)])
  return { ...deployment, master, sentinels, processes }
}

async function killPrimary (t: Test, waitReplicas: number): Promise<void> {
  const { master, sentinels, shop, oracle, processes } = await startWatched(
    t, { REDIS_WAIT_REPLICAS: String(waitReplicas) },
  )
  // Writes that did not wait for a replica may be lost, also in the middle of a lifecycle. Without the wait the load is
  // creates only, and the test counts the lost ones.
  const load = waitReplicas === 0
    ? null
    : startSteadyLoad(longOrShort(50, 150), n => runLifecycle(healthyKind(n), withBackoff(shop), oracle))
  const probe = startCreateProbe(shop, 20_000, load === null ? 10 : longOrShort(50, 100))
  await delay(1_000 + Math.random() * 500)
  const before = await sentinels.master()
  t.equal(before, master.port)
  await master.stop()
  await sentinels.watch()
  await until(async () => await sentinels.master() !== master.port, 'the Sentinels report another master')
  await delay(longOrShort(4_000, 2_500))
  const { longestGapMs, refused, ids } = await probe.stop()
  await load?.stop()

  t.ok(refused > 0, 'creates were refused while there was no primary')
  const { kept, lost } = await countLost(shop, ids)
  if (waitReplicas > 0) t.same(lost, [], 'no answered create is lost')
  // The replica may have a create, and not that its message was sent.
  await submitCodes(shop, oracle, kept, ...waitReplicas === 0 ? ['failed/provider_unavailable'] as const : [])
  const running = processes.map(({ pid }) => process.kill(pid, 0))
  t.same(running, [true, true], 'no process ended')
  await oracle.judge(
    `primary SIGKILLed under load, 3 Sentinels, REDIS_WAIT_REPLICAS=${waitReplicas}: `
      + `no create for ${longestGapMs} ms, ${refused} refused, ${lost.length} of ${ids.length} answered ones lost`,
  )
}

t.test('the primary killed under load, and each answer waits for a replica', { buffered: true }, t => killPrimary(t, 1))
if (isLong) t.test(
  'the primary killed under creates, without waiting for replicas',
  { buffered: true }, t => killPrimary(t, 0),
)

t.test('an old primary made a replica with its clients connected', { buffered: true }, async t => {
  const { master, replicas: [next] } = await startReplicated(t, 1)
  if (next === undefined) throw new Error('no replica')
  // Clients use one address, which is moved: open connections stay with the old primary.
  const address = await startWire(t, master.port)
  const { shop, oracle, api, worker, start } = await startDeployment(t, { redisUrl: address.url })
  const processes = await Promise.all([start(api), start(worker)])
  const [old, young] = [openAdmin(t, master.port), openAdmin(t, next.port)]

  const tries: number[] = []
  let readOnly = 0
  /** Retries after `retry-after`, and counts. */
  const create = async (n: number): Promise<string> => {
    for (let count = 1; ; count += 1) {
      const answer = await shop.create(
        { phoneNumber: `+1415${30_000 + n}10`, workflow: ['otpless.otp'] }, { 'idempotency-key': `moved-${n}` },
      )
      if (answer.status === 201) {
        tries.push(count)
        return answer.body['id']
      }
      readOnly += 1
      t.hasStrict(answer, { status: 503, body: { code: 'store_unavailable' }, headers: { 'retry-after': '1' } })
      await delay(Number(answer.headers['retry-after']) * 1_000)
    }
  }
  const first = await Promise.all([0, 1, 2].map(create))
  address.target = next.port
  await young.call('REPLICAOF', 'NO', 'ONE')
  await old.call('REPLICAOF', '127.0.0.1', String(next.port))
  await until(() => hasReplicas(young, 1), 'the old primary follows')
  tries.length = 0
  const second = await Promise.all([3, 4, 5, 6, 7].map(create))
  t.comment(`${readOnly} creates were refused since the old primary is read-only`)
  t.ok(Math.max(...tries) <= 2, 'at most one retry each')
  await submitCodes(shop, oracle, [...first, ...second])

  // Promoted late: for a second no server accepts writes.
  const created: Promise<string>[] = []
  const before = readOnly
  await young.call('REPLICAOF', '127.0.0.1', '1')
  created.push(...[8, 9, 10].map(create))
  await until(() => readOnly - before >= 3, 'creates are refused while no server accepts writes')
  await old.call('REPLICAOF', 'NO', 'ONE')
  address.target = master.port
  await young.call('REPLICAOF', '127.0.0.1', String(master.port))
  created.push(...[11, 12, 13].map(create))
  await submitCodes(shop, oracle, await Promise.all(created))
  t.same(processes.map(({ pid }) => process.kill(pid, 0)), [true, true], 'no process ended')
  const metrics: string = (await shop.call('GET', '/metrics')).body['text']
  t.match(metrics, /verigate_redis_errors_total\{code="READONLY"\} [1-9]/)
  await oracle.judge(`READONLY of a demoted primary, then no primary for 1 s: ${readOnly} answers 503`)
})
