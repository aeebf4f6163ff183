import t from 'tap'
import { createExpiringMap } from '../../src/sandbox/expiring-map.ts'

t.test('an entry is gone after its lifetime, counted from when it was last set', async t => {
  let now = 0
  const map = createExpiringMap<string>(() => now, 100)
  map.set('a', '1')
  now = 50
  map.set('b', '2')
  now = 99
  t.equal(map.get('a'), '1')
  now = 100
  t.equal(map.get('a'), undefined)
  t.equal(map.get('b'), '2')
  map.set('b', '3')
  now = 199
  t.equal(map.get('b'), '3')
})

t.test('memory is given back when entries are set', async t => {
  let now = 0
  const map = createExpiringMap<number>(() => now, 100)
  for (let index = 0; index < 50; index += 1) map.set(`old${index}`, index)
  now = 100
  map.set('new', 1)
  t.equal(map.size(), 1)
})

t.test('the oldest go when there are too many', async t => {
  const map = createExpiringMap<number>(() => 0, 100, 2)
  map.set('a', 1)
  map.set('b', 2)
  map.set('c', 3)
  t.strictSame([map.get('a'), map.get('b'), map.get('c')], [undefined, 2, 3])
})
