import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import t from 'tap'
import { createIds } from '../../src/store/ids.ts'
import { createSealer } from '../../src/store/sealing.ts'

const options = { partitions: 16, randomBytes }
const key = (id: string): string => `${id}:${randomBytes(32).toString('base64')}`
const [old, fresh] = [key('k1'), key('k2')]
const ids = createIds(createSealer(old), options)
const rotated = createIds(createSealer(`${fresh},${old}`), options)
const stranger = createIds(createSealer(key('k1')), options)

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
/** Every text that differs from this one in one character. */
const variants = (text: string): string[] => [...text].flatMap((own, at) =>
  [...alphabet].filter((other) => other !== own).map((other) => text.slice(0, at) + other + text.slice(at + 1)))

t.test('an id contains its partition and belongs to one app', async (t) => {
  fc.assert(fc.property(fc.string(), fc.string(), fc.nat({ max: 15 }), (app, other, partition) => {
    const id = ids.newId(app, partition)
    t.match(id, /^ver_[A-Za-z0-9_-]{30}$/)
    t.equal(ids.partitionOf(id), partition)
    t.ok(ids.checkId(id, app))
    if (other !== app) t.notOk(ids.checkId(id, other))
  }), { numRuns: 50 })
  t.not(ids.newId('app', 3), ids.newId('app', 3))
  t.notOk(stranger.checkId(ids.newId('app', 3), 'app'))
})

t.test('an id with any change is rejected', async (t) => {
  const id = ids.newId('app', 3)
  t.same(variants(id).filter((other) => ids.checkId(other, 'app')), [])
  for (
    const other of ['', 'ver_', id.slice(0, -1), `${id}A`, `${id}=`, ` ${id}`, id.slice(4), id.replace('ver_', 'vcs_')]
  ) {
    t.notOk(ids.checkId(other, 'app'), other)
    t.equal(ids.partitionOf(other), null)
  }
})

t.test('an unknown partition is rejected', async (t) => {
  for (const partition of [-1, 16, 1.5, NaN]) t.throws(() => ids.newId('app', partition), RangeError)
  const wide = createIds(createSealer(old), { partitions: 256, randomBytes })
  t.equal(wide.partitionOf(wide.newId('app', 255)), 255)
  t.equal(ids.partitionOf(wide.newId('app', 16)), null)
})

t.test('a callback key contains its attempt, for one purpose', async (t) => {
  const id = ids.newId('app', 9)
  for (const attemptIndex of [0, 1, 255]) {
    const callbackKey = ids.callbackKey(id, attemptIndex, 'callback')
    t.match(callbackKey, /^[A-Za-z0-9_-]{48}$/)
    t.same(ids.readCallbackKey(callbackKey, 'callback'), { id, attemptIndex })
    t.equal(ids.readCallbackKey(callbackKey, 'redirect'), null)
    t.same(ids.readCallbackKey(ids.callbackKey(id, attemptIndex, 'redirect'), 'redirect'), { id, attemptIndex })
    t.equal(stranger.readCallbackKey(callbackKey, 'callback'), null)
  }
  const callbackKey = ids.callbackKey(id, 0, 'callback')
  const others = [...variants(callbackKey), '', callbackKey.slice(1), `${callbackKey}A`]
  t.same(others.filter((other) => ids.readCallbackKey(other, 'callback') !== null), [])
  for (const attemptIndex of [-1, 256, 0.5]) t.throws(() => ids.callbackKey(id, attemptIndex, 'callback'), RangeError)
  t.throws(() => ids.callbackKey('ver_other', 0, 'callback'), { message: 'not an id' })
})

t.test('a client secret contains its verification', async (t) => {
  const id = ids.newId('app', 15)
  const secret = ids.clientSecret(id)
  t.match(secret, /^vcs_[A-Za-z0-9_-]{51}$/)
  t.equal(ids.readClientSecret(secret), id)
  t.equal(stranger.readClientSecret(secret), null)
  t.same(
    [
      ...variants(secret), '', id, secret.slice(0, -1), `${secret}A`,
    ].filter((other) => ids.readClientSecret(other) !== null),
    [],
  )
})

t.test('rotation: older identifiers stay valid, and new ones use the first key', async (t) => {
  const id = ids.newId('app', 1)
  t.ok(rotated.checkId(id, 'app'))
  t.same(rotated.readCallbackKey(ids.callbackKey(id, 2, 'callback'), 'callback'), { id, attemptIndex: 2 })
  t.equal(rotated.readClientSecret(ids.clientSecret(id)), id)
  const next = rotated.newId('app', 1)
  t.ok(rotated.checkId(next, 'app'))
  t.notOk(ids.checkId(next, 'app'))
  t.ok(createIds(createSealer(fresh), options).checkId(next, 'app'))
})

t.test('an attempt id is stable and does not reveal the verification', async (t) => {
  const id = ids.newId('app', 1)
  t.match(ids.attemptId(id, 0), /^att_[A-Za-z0-9_-]{16}$/)
  t.equal(ids.attemptId(id, 0), ids.attemptId(id, 0))
  t.not(ids.attemptId(id, 0), ids.attemptId(id, 1))
  t.notOk(ids.attemptId(id, 0).includes(id.slice(4, 10)))
  t.equal(rotated.attemptId(id, 0), ids.attemptId(id, 0), 'also under another key')
})

t.test('a key marked :open validates no identifier', async (t) => {
  const id = ids.newId('app', 3)
  const marked = createIds(createSealer(`${fresh},${old}:open`), options)
  t.ok(rotated.checkId(id, 'app'), 'without the mark it does')
  t.notOk(marked.checkId(id, 'app'))
  t.equal(marked.readClientSecret(ids.clientSecret(id)), null)
  for (const purpose of ['callback', 'redirect'] as const) {
    t.equal(marked.readCallbackKey(ids.callbackKey(id, 0, purpose), purpose), null)
  }
  t.equal(marked.readClientSecret(marked.clientSecret(id)), id, 'a secret of the new key opens the old record')
})

t.test('the id of a delivery contains its verification and the revision', async (t) => {
  const id = ids.newId('app', 7)
  for (const revision of [0, 1, 10, 999_999_999]) {
    const deliveryId = ids.deliveryId(id, revision)
    t.equal(deliveryId, `whd_${id.slice(4)}_${revision}`)
    t.same(ids.readDeliveryId(deliveryId), { id, revision })
    t.equal(ids.partitionOf(deliveryId), 7, 'it has the partition of its verification')
    t.notOk(ids.checkId(deliveryId, 'app'), 'it is not the id of a verification')
  }
  const deliveryId = ids.deliveryId(id, 12)
  const others = [
    ...['', '_', '_012', '_-1', '_1.5', '_1e3', '_1000000000'].map(end => `whd_${id.slice(4)}${end}`),
    '', id, `${id}_12`, `whd_${id.slice(5)}_12`, `${deliveryId}\n`, ` ${deliveryId}`, `${deliveryId}_1`,
    deliveryId.replace('whd_', 'ver_'),
  ]
  for (const other of others) {
    t.equal(ids.readDeliveryId(other), null, other)
    if (other !== id) t.equal(ids.partitionOf(other), null, other)
  }
  for (const revision of [-1, 0.5, NaN, 1_000_000_000]) t.throws(() => ids.deliveryId(id, revision), RangeError)
  t.throws(() => ids.deliveryId(deliveryId, 1), { message: 'not an id' })
})

t.test('identifiers are the same in every version', async (t) => {
  const known = createIds(
    createSealer(`k1:${Buffer.alloc(32, 1).toString('base64')}`),
    { partitions: 16, randomBytes: (size) => Buffer.alloc(size, 2) },
  )
  const id = 'ver_AgICAgICAgICAgICAgICAgPnPnMOGw'
  t.equal(known.newId('app', 3), id)
  t.equal(known.callbackKey(id, 1, 'callback'), 'AgICAgICAgICAgICAgICAgPnPnMOGwHiijj8kICwlvrKtHSj')
  t.equal(known.callbackKey(id, 1, 'redirect'), 'AgICAgICAgICAgICAgICAgPnPnMOGwF7r2qHVj1wqP5_uwjr')
  t.equal(known.clientSecret(id), 'vcs_AgICAgICAgICAgICAgICAgPnPnMOG5hvV1rd8L6ahYAknhb7nhw')
  t.equal(known.attemptId(id, 1), 'att_VcxQR82ckrf0zh0N')
})
