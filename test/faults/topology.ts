import { Redis } from 'ioredis'
import { freePort, startCluster, startRedis, startSentinel, until, type TestRedis } from '../helpers/redis.ts'

type Teardown = { teardown (run: () => unknown): void }

/** Settings for a replica that syncs at once and whose loss is noticed soon. */
export const promptly = ['--repl-diskless-sync-delay', '0', '--repl-ping-replica-period', '1']

/** A connection to one server for the test's own commands; it reconnects, and reports no errors. */
export function openAdmin (t: Teardown, port: number): Redis {
  const admin = new Redis(port, { retryStrategy: () => 50, maxRetriesPerRequest: null }).on('error', () => {})
  t.teardown(() => admin.disconnect())
  return admin
}

/** Whether so many replicas are connected and have acknowledged data. */
export const hasReplicas = async (master: Redis, count: number): Promise<boolean> =>
  [...(await master.info('replication')).matchAll(/^slave\d+:.*state=online,offset=[1-9]/gm)].length === count

/** Starts a master and replicas that are in sync; `args` apply to all of them. */
export async function startReplicated (
  t: Teardown, count: number, args: string[] = [],
): Promise<{ master: TestRedis, replicas: TestRedis[] }> {
  const master = await startRedis(t, [...promptly, ...args])
  const replicas = await Promise.all(
    Array.from(
      { length: count }, () => startRedis(t, ['--replicaof', '127.0.0.1', String(master.port), ...promptly, ...args]),
    ),
  )
  const admin = openAdmin(t, master.port)
  await until(() => hasReplicas(admin, count), 'the replicas are in sync')
  return { master, replicas }
}

/**
 * Starts a replica of a replica. Sentinel can promote only `leader`, so what `leader` has received is never lost. Of
 * two replicas of one master it may promote the one that has received less: it compares offsets that it read before.
 */
export async function startFollower (t: Teardown, leader: TestRedis): Promise<TestRedis> {
  const follower = await startRedis(t, ['--replicaof', '127.0.0.1', String(leader.port), ...promptly])
  const admin = openAdmin(t, leader.port)
  await until(() => hasReplicas(admin, 1), 'the follower is in sync')
  return follower
}

/** A busy machine may hold up a server, or a proxy before it, for seconds: that must not look like an outage. */
const neverMs = 600_000

/**
 * Starts three Sentinels with a quorum of two, which notice no outage before `watch`. `url` is the gateway's
 * `REDIS_URL`.
 */
export async function startSentinels (
  t: Teardown, master: Pick<TestRedis, 'port'>, { replicas }: { replicas: number },
) {
  const sentinels = await Promise.all([0, 1, 2].map(() => startSentinel(t, master as TestRedis, [
    `sentinel down-after-milliseconds mymaster ${neverMs}`, 'sentinel failover-timeout mymaster 2000',
  ])))
  const admins = sentinels.map(({ port }) => openAdmin(t, port))
  await Promise.all(admins.map(async admin => {
    await admin.call('SENTINEL', 'SET', 'mymaster', 'quorum', '2')
    await until(async () => {
      const reply = await admin.call('SENTINEL', 'MASTER', 'mymaster') as string[]
      const read = (name: string): number => Number(reply[reply.indexOf(name) + 1])
      return read('num-other-sentinels') === 2 && read('num-slaves') === replicas
    }, 'the Sentinels know each other and the replicas')
  }))
  return {
    url: `redis+sentinel://${sentinels.map(({ port }) => `127.0.0.1:${port}`).join(',')}/mymaster`,
    /** From now on a second without a reply is an outage: for when the test causes it. */
    async watch (): Promise<void> {
      await Promise.all(
        admins.map(admin => admin.call('SENTINEL', 'SET', 'mymaster', 'down-after-milliseconds', '1000')),
      )
    },
    /** The port of the master that a majority reports. */
    async master (): Promise<number> {
      const reply = await Promise.all(
        admins.map(admin => admin.call('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', 'mymaster') as Promise<string[]>),
      )
      const ports = reply.map(([, port]) => Number(port)).sort()
      return ports[1] ?? 0
    },
  }
}

export type ClusterNode = TestRedis & { id: string, admin: Redis }

/** Starts a Cluster of three masters with one replica each; `replicas[n]` belongs to `masters[n]`. */
export async function startReplicatedCluster (t: Teardown, nodeTimeoutMs = 1_000): Promise<{
  url: string, masters: ClusterNode[], replicas: ClusterNode[],
}> {
  const settings = ['--cluster-node-timeout', String(nodeTimeoutMs), ...promptly]
  const { url, nodes } = await startCluster(t, settings)
  const open = async (node: TestRedis): Promise<ClusterNode> => {
    const admin = openAdmin(t, node.port)
    return { ...node, admin, id: String(await admin.cluster('MYID')) }
  }
  const masters = await Promise.all(nodes.map(open))
  const replicas = await Promise.all(masters.map(async master => {
    const replica = await open(
      await startRedis(t, ['--cluster-enabled', 'yes', '--cluster-port', String(await freePort()), ...settings]),
    )
    const [, busPort = ''] = /@(\d+)\S* myself/.exec(String(await master.admin.cluster('NODES'))) ?? []
    await replica.admin.call('CLUSTER', 'MEET', '127.0.0.1', String(master.port), busPort)
    await until(
      async () => String(await replica.admin.cluster('NODES')).includes(master.id), 'the replica knows its master',
    )
    await until(
      () => replica.admin.call('CLUSTER', 'REPLICATE', master.id).then(() => true, () => false), 'it replicates',
    )
    return replica
  }))
  await until(async () => {
    const all = [...masters, ...replicas]
    const reply = await Promise.all(all.map(async ({ admin }) => String(await admin.cluster('NODES'))))
    const knowsAll = reply.every(
      text =>
        all.every(
          ({ id }) => text.includes(id),
        ) && [...text.matchAll(/slave /g)].length === 3 && !/handshake|fail/.test(text),
    )
    return knowsAll && (await Promise.all(masters.map(({ admin }) => hasReplicas(admin, 1)))).every(Boolean)
  }, 'the replicas are in sync')
  return { url, masters, replicas }
}
