import { once } from 'node:events'
import t from 'tap'
import { openAdmin, startReplicated } from '../faults/topology.ts'
import { startWire } from '../faults/wire.ts'
import { connectTo, startSentinel, until } from '../helpers/redis.ts'

t.test('a failover that is told while the connection is being made again', async t => {
  const { master, replicas: [next] } = await startReplicated(t, 1)
  const sentinel = await startSentinel(t, master, ['sentinel failover-timeout mymaster 2000'])
  const wire = await startWire(t, sentinel.port)
  const admin = openAdmin(t, sentinel.port)
  await until(
    async () => String(await admin.call('SENTINEL', 'REPLICAS', 'mymaster')).includes('master-link-status,ok'),
    'Sentinel knows the replica',
  )
  const redis = await connectTo(t, `redis+sentinel://127.0.0.1:${wire.port}/mymaster`, 'api')
  await redis.set('before', 'it')
  // It listens for failovers through the wire, too.
  await until(() => wire.connections() > 0, 'it listens')
  await until(async () => String(await admin.client('LIST')).includes('sub=1'), 'it has subscribed')

  // It is patient for a second each time that it asks.
  const asked = Array.from({ length: 30 }, () => wire.hold('reply', ([name, what]) =>
    name?.toLowerCase() === 'sentinel' && what?.toLowerCase() === 'get-master-addr-by-name'))
  // Through the same wire, and later than the connection that is tested: when it is told, that one was.
  const news = openAdmin(t, wire.port)
  const told = once(news, 'message')
  await news.subscribe('+switch-master')
  await openAdmin(t, master.port).call('CLIENT', 'KILL', 'TYPE', 'normal')
  await asked[0]?.caught
  t.equal(redis.status, 'connecting', 'it asks where the master is')
  await admin.call('SENTINEL', 'FAILOVER', 'mymaster')
  await told
  for (const one of asked) one.release()
  await until(() => redis.set('after', 'it').then(() => true, () => false), 'it is connected again')
  // It may have been told of the old master, which Sentinel demotes only seconds later.
  await openAdmin(t, master.port).call('REPLICAOF', '127.0.0.1', String(next?.port))
  const young = openAdmin(t, next?.port ?? 0)
  await until(
    async () => await redis.set('after', 'it').then(() => true, () => false) && await young.get('after') === 'it',
    'it finds the new master',
  )
})
