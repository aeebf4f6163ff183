import { once } from 'node:events'
import t from 'tap'
import { openAdmin, startReplicated } from '../faults/topology.ts'
import { startWire } from '../faults/wire.ts'
import { connectTo, startSentinel, until } from '../helpers/redis.ts'

t.test('a failover that is announced during a reconnect', async t => {
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
  // The connection receives failovers through the wire as well.
  await until(() => wire.connections() > 0, 'it connects to Sentinel')
  await until(async () => String(await admin.client('LIST')).includes('sub=1'), 'it has subscribed')

  // Each query for the master times out after a second.
  const asked = Array.from({ length: 30 }, () => wire.hold('reply', ([name, what]) =>
    name?.toLowerCase() === 'sentinel' && what?.toLowerCase() === 'get-master-addr-by-name'))
  // This subscription uses the same wire and is younger, so the tested connection gets each message before it.
  const observer = openAdmin(t, wire.port)
  const announced = once(observer, 'message')
  await observer.subscribe('+switch-master')
  await openAdmin(t, master.port).call('CLIENT', 'KILL', 'TYPE', 'normal')
  await asked[0]?.caught
  t.equal(redis.status, 'connecting', 'it looks for the master')
  await admin.call('SENTINEL', 'FAILOVER', 'mymaster')
  await announced
  for (const one of asked) one.release()
  await until(() => redis.set('after', 'it').then(() => true, () => false), 'it is connected again')
  // It may have found the old master, which Sentinel demotes only seconds later.
  await openAdmin(t, master.port).call('REPLICAOF', '127.0.0.1', String(next?.port))
  const young = openAdmin(t, next?.port ?? 0)
  await until(
    async () => await redis.set('after', 'it').then(() => true, () => false) && await young.get('after') === 'it',
    'it finds the new master',
  )
})
