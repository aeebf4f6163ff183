import { setTimeout as delay } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { queuePrefix } from '../../src/jobs/queues.ts'
import { createKeys, partitions } from '../../src/store/keys.ts'
import { until } from '../helpers/redis.ts'
import { runLifecycle } from './lifecycle.ts'
import { countLost, submitCodes, withBackoff, startCreateProbe, startSteadyLoad, healthyKind } from './steady-load.ts'
import { startReplicatedCluster, type ClusterNode } from './topology.ts'
import { startDeployment, type DeploymentOptions } from './deployment.ts'

t.jobs = 1

async function startOnCluster (t: Test, options: Pick<DeploymentOptions, 'losesUnreplicated'> = {}) {
  const cluster = await startReplicatedCluster(t)
  const deployment = await startDeployment(
    t, { redisUrl: cluster.url, simulatorOptions: { retryScale: 1 }, ...options },
  )
  const processes = await Promise.all([deployment.start(deployment.api), deployment.start(deployment.worker)])
  const [first] = cluster.masters
  /** How often the masters returned this error since their start. */
  const answered = async (code: string): Promise<number> => {
    const texts = await Promise.all(cluster.masters.map(({ admin }) => admin.info('errorstats')))
    return texts.reduce(
      (sum, text) => sum + Number(new RegExp(`errorstat_${code}:count=(\\d+)`).exec(text)?.[1] ?? 0), 0,
    )
  }
  if (first === undefined) throw new Error('no masters')
  const slotOf = async (key: string): Promise<number> => Number(await first.admin.call('CLUSTER', 'KEYSLOT', key))
  const ownerOf = (slot: number): ClusterNode => cluster.masters[Math.floor(slot / (16384 / 3))] ?? first
  const errors = async (code: string): Promise<number> => {
    const metrics: string = (await deployment.shop.call('GET', '/metrics')).body['text']
    return Number(new RegExp(`verigate_redis_errors_total\\{code="${code}"\\} (\\d+)`).exec(metrics)?.[1])
  }
  return { ...cluster, ...deployment, processes, slotOf, ownerOf, errors, answered }
}

t.test('the master of the queues killed under load', { buffered: true }, async t => {
  const { replicas, masters, slotOf, ownerOf, shop, oracle, processes } = await startOnCluster(
    t, { losesUnreplicated: true },
  )
  const owner = ownerOf(await slotOf(queuePrefix))
  const replica = replicas[masters.indexOf(owner)]
  // Creates only: their writes did not wait for a replica, so what a lifecycle did last may be lost.
  const probe = startCreateProbe(shop, 20_000, 25)
  await delay(1_000 + Math.random() * 500)
  await owner.stop()
  await until(
    async () => /role:master/.test(await replica?.admin.info('replication') ?? ''), 'its replica is promoted')
  await delay(4_000)
  const { ids, refused, longestGapMs } = await probe.stop()

  const { kept, lost } = await countLost(shop, ids)
  await submitCodes(shop, oracle, kept, 'failed/provider_unavailable')
  t.ok(refused > 0, 'the partitions of that master were unavailable')
  t.same(processes.map(({ pid }) => process.kill(pid, 0)), [true, true], 'no process ended')
  await oracle.judge(
    `one of three Cluster masters SIGKILLed under load, that of the queues: `
      + `no create for ${longestGapMs} ms, ${refused} refused, ${lost.length} of ${ids.length} answered ones lost`,
  )
})

/** The errors for a slot that is moving or has moved. */
const redirections = ['ASK', 'MOVED', 'TRYAGAIN']

/** Moves a slot as `redis-cli --cluster reshard` does, a few keys at a time; returns how many. */
async function migrate (
  slot: number, from: ClusterNode, to: ClusterNode, all: readonly ClusterNode[],
): Promise<number> {
  await to.admin.call('CLUSTER', 'SETSLOT', slot, 'IMPORTING', from.id)
  await from.admin.call('CLUSTER', 'SETSLOT', slot, 'MIGRATING', to.id)
  // Long enough for a command to arrive.
  await delay(200)
  let moved = 0
  for (;;) {
    const keys = await from.admin.call('CLUSTER', 'GETKEYSINSLOT', slot, 10) as string[]
    if (keys.length === 0) break
    await from.admin.call('MIGRATE', '127.0.0.1', to.port, '', 0, 1_000, 'KEYS', ...keys)
    moved += keys.length
    await delay(20)
  }
  for (const node of [to, from, ...all]) await node.admin.call('CLUSTER', 'SETSLOT', slot, 'NODE', to.id)
  return moved
}

t.test('slots moved under load', { buffered: true }, async t => {
  const { masters, slotOf, ownerOf, errors, answered, shop, oracle, processes } = await startOnCluster(t)
  const keys = createKeys('vg')
  const slots = await Promise.all(
    [queuePrefix, ...Array.from({ length: partitions }, (_, partition) => keys.due(partition))].map(slotOf),
  )
  const load = startSteadyLoad(50, n => runLifecycle(healthyKind(n), withBackoff(shop), oracle))
  await delay(1_000)
  let moved = 0
  // The queues, and every partition that one master owns.
  const [queues = 0, ...homes] = slots
  const before = await Promise.all(redirections.map(answered))
  const giver = ownerOf(homes[0] ?? 0)
  const going = [...new Set([queues, ...homes.filter(slot => ownerOf(slot) === giver)])]
  for (const slot of going) {
    const from = ownerOf(slot)
    const to = masters[(masters.indexOf(from) + 1) % 3]
    if (to === undefined) throw new Error('no master')
    moved += await migrate(slot, from, to, masters)
    await delay(300)
  }
  await delay(500)
  const redirected = (await Promise.all(redirections.map(answered))).map((count, at) => count - (before[at] ?? 0))
  t.ok((redirected[0] ?? 0) + (redirected[2] ?? 0) > 0, 'commands arrived for slots that were moving')
  t.ok((redirected[1] ?? 0) > 0, 'and for slots that had moved')
  const lived = await load.stop()
  t.ok(moved > going.length && lived > 10, `${moved} keys of ${going.length} slots`)
  t.same(processes.map(({ pid }) => process.kill(pid, 0)), [true, true], 'no process ended')
  const refusals = await errors('TRYAGAIN')
  const answers = redirections.map((code, at) => `${code} ${redirected[at]}×`).join(', ')
  await oracle.judge(
    `${going.length} slots of a Cluster moved under load, with ${moved} keys, that of the queues among them: `
      + `answered ${answers}, of which ${refusals} TRYAGAIN came as far as the gateway`,
  )
})
