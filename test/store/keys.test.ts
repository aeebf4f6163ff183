import t from 'tap'
import { createKeys, partitions } from '../../src/store/keys.ts'

t.test('every key of a partition has the same hash tag, and partitions differ', async (t) => {
  const keys = createKeys('vg')
  const tagOf = (key: string): string | undefined => /\{(.+?)\}/.exec(key)?.[1]
  const tags = Array.from({ length: partitions }, (_, partition) => {
    const all = [
      keys.record(partition, 'ver_a'), keys.due(partition), keys.claim(partition, 'name'),
      keys.index(partition, 'name'),
    ]
    t.equal(new Set(all).size, all.length)
    t.equal(new Set(all.map(tagOf)).size, 1)
    return tagOf(all[0] ?? '')
  })
  t.equal(new Set(tags).size, partitions)
})

t.test('a namespace keeps its keys and its channel to itself', async (t) => {
  const [one, other] = [createKeys('vg'), createKeys('test')]
  t.equal(one.record(7, 'ver_a'), 'vg:{q7}:r:ver_a')
  t.equal(one.channel, 'vg:changes')
  t.equal(other.record(7, 'ver_a'), 'test:{q7}:r:ver_a')
  t.equal(other.channel, 'test:changes')
})
