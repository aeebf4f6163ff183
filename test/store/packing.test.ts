import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import t from 'tap'
import type { Json } from '../../src/core/vocabulary.ts'
import { createPacker } from '../../src/store/packing.ts'

const structures = [['status', 'attempts', 'revision'], ['status', 'method'], ['a']]
const packer = createPacker(structures)

/** Field names that have a meaning in JavaScript or in MessagePack. */
const specialNames = [
  'constructor', 'toJSON', 'hasOwnProperty', 'prototype', '__keys__', 'length', '0', '-1', '', '\0', '👍', 'status',
  'a',
]
const extremes: Json[] = [null, true, false, 'x'.repeat(300), 2 ** 32, 2 ** 53, -(2 ** 31) - 1]
const name = fc.oneof(fc.constantFrom(...specialNames), fc.string({ unit: 'binary', maxLength: 20 }))
const json = fc.letrec<{ any: Json }>(tie => ({
  any: fc.oneof(
    { maxDepth: 4 },
    fc.constantFrom(...extremes),
    fc.string({ unit: 'binary', maxLength: 100 }),
    fc.maxSafeInteger(),
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.array(tie('any'), { maxLength: 4 }),
    fc.dictionary(name, tie('any'), { maxKeys: 6 }),
    fc.record({ status: tie('any'), attempts: tie('any'), revision: tie('any') }),
    fc.record({ status: tie('any'), method: tie('any') }, { requiredKeys: ['status'] }),
  ),
})).any.map((made): Json => JSON.parse(JSON.stringify(made, (name, value) => name === '__proto__' ? undefined : value)))

t.test('every JSON value comes back, whatever was packed before', async t => {
  fc.assert(fc.property(fc.array(json, { minLength: 1, maxLength: 4 }), values => {
    const packed = values.map(value => packer.pack(value))
    const other = createPacker(structures)
    return [packer, other].every(one => packed.every((bytes, at) => isDeepStrictEqual(one.unpack(bytes), values[at])))
  }), { numRuns: 200 })
  const long = ['x'.repeat(70_000), 'é'.repeat(40_000)]
  t.ok(isDeepStrictEqual(packer.unpack(packer.pack(long)), long), 'long texts')
})

t.test('a known object is written without its field names, an unknown one with them', async t => {
  const known = packer.pack({ status: 'pending', attempts: [], revision: 1 })
  t.notMatch(known.toString('latin1'), /status|attempts|revision/)
  const unknown = { status: 'pending', revision: 1, attempts: [] }
  t.match(packer.pack(unknown).toString('latin1'), /status.*revision.*attempts/s)
  for (let n = 0; n < 100; n += 1) packer.pack({ [`field${n}`]: n })
  t.strictSame(packer.pack({ status: 'pending', attempts: [], revision: 1 }), known, 'also after many others')
  t.match(packer.pack(unknown).toString('latin1'), /status.*revision.*attempts/s)
})

t.test('an object with a name that msgpackr reserves does not change how others are packed', async t => {
  const poisoned = createPacker(structures)
  for (const value of [{ x: 1 }, { x: 1, __keys__: 2, length: 3 }, { a: 1, __keys__: { a: 2 } }, { x: 1 }, { a: 1 }]) {
    t.strictSame(packer.unpack(poisoned.pack(value)), value)
  }
})

t.test('a list that grew at its end reads older bytes, and is read where it did not grow', async t => {
  const grown = createPacker([...structures, ['url', 'left'], ['left']])
  const objects = [
    { status: 'pending', attempts: [{ a: 1 }, { status: 'x', method: 'y' }], revision: 1 },
    { url: 'u', left: 2 }, { left: 3, other: { a: 1 } }, { metadata: { plan: 'pro' }, left: { right: 1 } },
  ]
  const own = objects.map(object => grown.pack(object))
  for (const object of objects) {
    t.strictSame(grown.unpack(packer.pack(object)), object)
    t.strictSame(own.map(bytes => grown.unpack(bytes)), objects, 'its own are read as before')
  }
  const [first] = objects
  if (first === undefined) throw new Error('no object')
  t.strictSame(packer.unpack(grown.pack(first)), first)
})

t.test('hostile JSON becomes harmless', async t => {
  const unpacked = packer.unpack(packer.pack(JSON.parse('{"__proto__":{"isAdmin":true}}')))
  t.strictSame(unpacked, { __proto_: { isAdmin: true } })
  t.notOk(unpacked !== null && typeof unpacked === 'object' && 'isAdmin' in unpacked)
  for (const length of [1, 70, 70_000]) {
    const half = '\ud800'.repeat(length)
    const read = packer.unpack(packer.pack({ half, after: 1 }))
    t.match(read, { half: /^[\ud800\ufffd]+$/, after: 1 }, 'half a surrogate pair')
  }
})

t.test('as many structures as can be read back, and no more', async t => {
  const many = (count: number) => Array.from({ length: count }, (_, n) => [`field${n}`, 'x'])
  const full = createPacker(many(32))
  const objects = Array.from({ length: 32 }, (_, n) => ({ [`field${n}`]: n, x: { later: [{ y: n }] } }))
  t.strictSame(full.unpack(full.pack(objects)), objects)
  t.throws(() => createPacker(many(33)), RangeError)
})
