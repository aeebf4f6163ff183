import { randomBytes } from 'node:crypto'
import t from 'tap'
import { createIds } from '../../src/store/ids.ts'
import { createKeys, partitionOf, partitions } from '../../src/store/keys.ts'
import { createSealer } from '../../src/store/sealing.ts'

t.test('every key of a partition has the same hash tag, and partitions differ', async (t) => {
  const keys = createKeys('vg')
  const tagOf = (key: string): string | undefined => /\{(.+?)\}/.exec(key)?.[1]
  const tags = Array.from({ length: partitions }, (_, partition) => {
    const all = [
      keys.record(partition, 'ver_a'), keys.due(partition), keys.table(partition, 'name'),
      keys.index(partition, 'name'),
    ]
    t.equal(new Set(all).size, all.length)
    t.equal(new Set(all.map(tagOf)).size, 1)
    return tagOf(all[0] ?? '')
  })
  t.equal(new Set(tags).size, partitions)
})

t.test('namespaces share neither keys nor the channel', async (t) => {
  const [one, other] = [createKeys('vg'), createKeys('test')]
  t.equal(one.record(7, 'ver_a'), 'vg:{q7}rver_a')
  t.equal(one.channel, 'vg:changes')
  t.equal(other.record(7, 'ver_a'), 'test:{q7}rver_a')
  t.equal(other.channel, 'test:changes')
})

t.test('the keys of an id are those of its partition', async t => {
  const keys = createKeys('vg')
  const sealer = createSealer(`k1:${randomBytes(32).toString('base64')}`)
  const ids = createIds(sealer, { partitions: 256, randomBytes })
  for (let partition = 0; partition < 256; partition += 1) {
    const id = ids.newId('app', partition)
    t.equal(partitionOf(id, 256), partition)
    t.equal(partitionOf(id, partition), null)
    if (partition >= partitions) t.throws(() => keys.ofId(id), new TypeError('not an id'))
    else {
      const { due, recordPrefix, tablePrefix, counterPrefix, indexPrefix } = keys.ofId(id)
      t.strictSame([due, recordPrefix, tablePrefix, counterPrefix, indexPrefix], [
        keys.due(partition), keys.record(partition, ''), keys.table(partition, ''), keys.counter(partition, ''),
        keys.index(partition, ''),
      ])
      t.equal(keys.ofId(ids.deliveryId(id, 12)), keys.ofId(id), 'a delivery is in the partition of its verification')
    }
  }
  t.throws(() => keys.record(partitions, 'ver_a'), RangeError)
})
