import { randomBytes } from 'node:crypto'
import t, { type Test } from 'tap'
import { createIds } from '../../src/store/ids.ts'
import { createSealer } from '../../src/store/sealing.ts'
import { partitions } from '../../src/store/keys.ts'
import { createReplicas } from '../../src/store/replication.ts'
import { createStore } from '../../src/store/record-store.ts'
import { connectTo } from '../helpers/redis.ts'
import { startReplicated } from './topology.ts'

/** Records written per second by 64 concurrent writers. */
async function writesPerSecond (t: Test, url: string, count: number): Promise<number> {
  const [redis, waiting] = await Promise.all([connectTo(t, url), connectTo(t, url)])
  const sealer = createSealer(`k1:${randomBytes(32).toString('base64')}`)
  const ids = createIds(sealer, { partitions, randomBytes })
  const store = createStore(
    {
      redis, replicas: count === 0 ? null : createReplicas(waiting, { count, timeoutMs: 500 }), sealer,
      encode: text => Buffer.from(text), decode: String,
    },
  )
  const from = performance.now()
  let written = 0
  await Promise.all(Array.from({ length: 64 }, async () => {
    while (performance.now() - from < 2_000) {
      const id = ids.newId('app', written % partitions)
      const created = await store.insert(id, 'x'.repeat(1_000), { expiresAt: Date.now() + 600_000, dueAt: null })
      if (!created.inserted) throw new Error('not written')
      written += 1
    }
  }))
  return written * 1_000 / (performance.now() - from)
}

t.test('what it costs to wait for a replica', async t => {
  const { master } = await startReplicated(t, 1, ['--appendonly', 'yes', '--appendfsync', 'always'])
  const rounds: number[] = []
  for (let round = 0; round < 3; round += 1) {
    const alone = await writesPerSecond(t, master.url, 0)
    const waiting = await writesPerSecond(t, master.url, 1)
    t.comment(
      `appendfsync always: ${Math.round(alone)} writes/s, `
        + `with REDIS_WAIT_REPLICAS=1 ${Math.round(waiting)}, ${(waiting / alone).toFixed(2)} of it`,
    )
    rounds.push(waiting / alone)
  }
  // Other load on the machine disturbs single rounds.
  t.ok(Math.max(...rounds) > 0.4, 'at least 40 percent')
})
