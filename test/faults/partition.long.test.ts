import t, { type Test } from 'tap'
import { startRedis, until } from '../helpers/redis.ts'
import { startNetworkLink } from './network-cut.ts'
import { numberOf } from './oracle.ts'
import { countLost, submitCodes, startSteadyLoad } from './steady-load.ts'
import { hasReplicas, openAdmin, promptly, startFollower, startSentinels } from './topology.ts'
import { startDeployment } from './deployment.ts'
import { startWire } from './wire.ts'

t.jobs = 1

const isolatedMs = 6_000
const maxLagSeconds = 1

/**
 * The primary loses its replica and the Sentinels, and keeps its clients. The replica is promoted; after a while the
 * clients find it, and every write that only the old primary has is lost. Returns the 201 responses of that time, and
 * how long after the cut each lost one was sent.
 */
async function isolate (t: Test, injected: string, environment: Record<string, string>, settings: string[]) {
  const primary = await startRedis(t, [...promptly, ...settings])
  const admin = openAdmin(t, primary.port)
  const inner = await startNetworkLink(t, primary.port)
  const replica = await startRedis(t, ['--replicaof', '127.0.0.1', String(inner.port), ...promptly])
  await until(() => hasReplicas(admin, 1), 'the replica is in sync')
  await startFollower(t, replica)
  const sentinels = await startSentinels(t, inner, { replicas: 1 })
  const outer = await startWire(t, primary.port)
  const { shop, oracle, all, start } = await startDeployment(
    t, { redisUrl: outer.url, environment, losesUnreplicated: true },
  )
  const gateway = await start(all)

  const answered: { id: string, at: number }[] = []
  let refused = 0
  const load = startSteadyLoad(50, async n => {
    const { status, body } = await shop.create({ phoneNumber: numberOf(n, '10'), workflow: ['otpless.otp'] })
    if (status === 201) answered.push({ id: body['id'], at: performance.now() })
    else refused += 1
  })
  await until(() => answered.length > 5, 'some are answered')
  inner.blackhole()
  const cutAt = performance.now()
  await sentinels.watch()
  await until(async () => await sentinels.master() === replica.port, 'the replica is promoted')
  await until(() => performance.now() - cutAt > isolatedMs, 'it was long enough')
  await load.stop()
  t.match(await admin.info('replication'), /role:master/, 'the old primary never heard of it')
  outer.target = replica.port
  outer.cut()
  inner.heal()
  await until(() => hasReplicas(openAdmin(t, replica.port), 1), 'the new primary has a replica')
  await until(async () => (await shop.call('GET', '/readyz')).status === 200, 'the clients are there')

  const { kept, lost } = await countLost(shop, answered.map(({ id }) => id))
  const lostAfterMs = answered.filter(({ id }) => lost.includes(id)).map(({ at }) => Math.round(at - cutAt))
  // Of what was written last before the cut a replica may have the create, and not that its message went out.
  await submitCodes(
    shop, oracle, kept,
    ...environment['REDIS_WAIT_REPLICAS'] === undefined ? ['failed/provider_unavailable'] as const : [],
  )
  t.equal(process.kill(gateway.pid, 0), true)
  const last = lost.length === 0 ? '' : `, the last one ${Math.max(...lostAfterMs)} ms after the cut`
  await oracle.judge(
    `primary cut off with its clients for ${isolatedMs} ms, ${injected}: ${refused} creates refused, `
      + `${lost.length} of ${answered.length} answered ones lost${last}`,
  )
  return { lostAfterMs, answeredAfterMs: answered.map(({ at }) => at - cutAt).filter(ms => ms > 0), refused }
}

t.test('each answer waits for a replica: nothing that was answered is lost', { buffered: true }, async t => {
  const { lostAfterMs, refused } = await isolate(t, 'REDIS_WAIT_REPLICAS=1', { REDIS_WAIT_REPLICAS: '1' }, [])
  t.same(lostAfterMs, [])
  t.ok(refused > 0, 'what the old primary alone has is not answered')
})

t.test('it takes writes while a replica is near only: the last moments are lost', { buffered: true }, async t => {
  const { lostAfterMs, refused } = await isolate(
    t, 'min-replicas-to-write 1', {}, ['--min-replicas-to-write', '1', '--min-replicas-max-lag', String(maxLagSeconds)],
  )
  t.ok(Math.max(0, ...lostAfterMs) < maxLagSeconds * 1_000 + 2_000, 'and no more')
  t.ok(refused > 0)
})

t.test('nothing is set: all that it answered meanwhile is lost', { buffered: true }, async t => {
  const { lostAfterMs, answeredAfterMs } = await isolate(t, 'nothing set', {}, [])
  t.ok(lostAfterMs.length > 0.9 * answeredAfterMs.length, `${lostAfterMs.length} of ${answeredAfterMs.length}`)
  t.ok(Math.max(...lostAfterMs) > isolatedMs - 1_000)
})
