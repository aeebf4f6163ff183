import { randomBytes } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import t from 'tap'
import { createSealer, versionOf, SealError } from '../../src/store/sealing.ts'
import type { Json } from '../../src/core/vocabulary.ts'

const key = (id: string): string => `${id}:${randomBytes(32).toString('base64')}`
const [old, fresh] = [key('k1'), key('k2')]
const sealer = createSealer(old)

/** Names that mean something to JavaScript, or to what writes the bytes. */
const namesThatMean = [
  'constructor', 'toJSON', 'hasOwnProperty', 'prototype', '__keys__', 'length', '0', '-1', '', '\0', '👍',
]
const json = fc.letrec<{ any: Json }>(tie => ({
  any: fc.oneof(
    { depthSize: 'medium' },
    fc.constantFrom(
      null, true, false, 'x'.repeat(70_000), 'é'.repeat(40_000), 2 ** 32, 2 ** 53, -(2 ** 31) - 1,
    ), fc.string({ unit: 'binary', maxLength: 100 }), fc.maxSafeInteger(),
    fc.double({ noNaN: true, noDefaultInfinity: true }), fc.array(tie('any')), fc.dictionary(
      fc.oneof(fc.constantFrom(...namesThatMean), fc.string({ unit: 'binary' })), tie('any'),
    ),
  ),
})).any.map((made): Json => JSON.parse(JSON.stringify(made, (name, value) => name === '__proto__' ? undefined : value)))

t.test('any JSON value comes back, under its own name only', async (t) => {
  fc.assert(fc.property(json, fc.string(), fc.string(), (value, aad, other) => {
    const sealed = sealer.seal(value, aad)
    const opened = sealer.open(sealed, aad)
    if (!isDeepStrictEqual(opened, value) || JSON.stringify(opened) !== JSON.stringify(value)) return false
    if (
      Buffer.compare(Buffer.from(aad), Buffer.from(other)) !== 0
    ) t.throws(() => sealer.open(sealed, other), SealError)
    return true
  }), { numRuns: 500 })
})

t.test('what JSON can say and nobody means is opened as something harmless', async (t) => {
  const opened = sealer.open(sealer.seal(JSON.parse('{"__proto__":{"isAdmin":true}}'), 'name'), 'name')
  t.strictSame(opened, { __proto_: { isAdmin: true } })
  t.notOk(opened !== null && typeof opened === 'object' && 'isAdmin' in opened)
  for (const length of [1, 70, 70_000]) {
    const half = '\ud800'.repeat(length)
    t.match(
      sealer.open(sealer.seal({ half, after: 1 }, 'name'), 'name'), { half: /^[\ud800\ufffd]+$/, after: 1 },
      'half a character',
    )
  }
})

t.test('what was sealed before, in JSON, is opened', async (t) => {
  const before = createSealer('k1:b2YgdGhlIHZlcnNpb24gYmVmb3Jlb2YgdGhlIHZlcnM=')
  t.strictSame(
    before.open(
      Buffer.from(
        'AQJrMdxRxxO/ZFAGEm0J1jtVHzKXZTGAitMcynbdeKG/qja9vVWA68X0zxZZy4MNX+oFHGoNU2k2np8UK/iiJD1+1Bif7qG6rCWFWnx9mLPaBk9UUuxFfSQ=',
        'base64',
      ),
      'name',
    ),
    { phoneNumber: '+14155550100', names: ['Ádá', null, 1.5] },
  )
})

t.test('a format of a version to come is not opened', async (t) => {
  const sealed = sealer.seal('value', 'name')
  for (const format of [0, 3, 255]) {
    sealed[0] = format
    t.throws(() => sealer.open(sealed, 'name'), new SealError('not in a known format'))
    t.throws(() => versionOf(sealed), new SealError('not in a known format'))
  }
})

t.test('a change of any byte, or an end cut off, is noticed', async (t) => {
  const sealed = sealer.seal({ phoneNumber: '+14155550100' }, 'name')
  for (let at = 0; at < sealed.length; at++) {
    const changed = Buffer.from(sealed)
    changed.writeUInt8(sealed.readUInt8(at) ^ 1, at)
    t.throws(() => sealer.open(changed, 'name'), SealError, `byte ${at}`)
    t.throws(() => sealer.open(sealed.subarray(0, at), 'name'), SealError, `first ${at} bytes`)
  }
})

t.test('what is sealed shows nothing of it, and is another each time', async (t) => {
  const sealed = [1, 2].map(() => sealer.seal({ phoneNumber: '+14155550100' }, 'name'))
  t.notMatch(sealed[0]?.toString('latin1'), /4155550100|phoneNumber/)
  t.not(sealed[0]?.toString('hex'), sealed[1]?.toString('hex'))
  const marks = sealed.map((one) => versionOf(one).toString('hex'))
  t.not(marks[0], marks[1])
  t.match(marks[0], /^02026b31[0-9a-f]{24}$/, 'format, key id, nonce')
})

t.test('keys rotate: the first seals, all open, a key that is gone does not', async (t) => {
  const rotated = createSealer(`${fresh}, ${old}`)
  const before = sealer.seal('value', 'name')
  t.equal(rotated.open(before, 'name'), 'value')
  const after = rotated.seal('value', 'name')
  t.equal(createSealer(fresh).open(after, 'name'), 'value')
  t.throws(() => sealer.open(after, 'name'), new SealError('no key of SEAL_KEYS has its id'))
  t.throws(() => createSealer(key('k1')).open(before, 'name'), SealError, 'the same id, another key')
})

t.test('tags are stable, differ by purpose, text and key, and reveal nothing', async (t) => {
  const number = '+14155550100'
  t.match(sealer.keyedHash('number', number), /^[A-Za-z0-9_-]{22}$/)
  t.equal(sealer.keyedHash('number', number), createSealer(old).keyedHash('number', number))
  const rotated = createSealer(`${fresh},${old}`)
  t.same(
    rotated.keyedHashes('number', number),
    [createSealer(fresh).keyedHash('number', number), sealer.keyedHash('number', number)],
  )
  t.equal(rotated.keyedHash('number', number), rotated.keyedHashes('number', number)[0])
  const all = [['number', number], ['number', '+14155550101'], ['ip', number], ['n', `umber${number}`]] as const
  t.equal(new Set(all.map(([purpose, text]) => sealer.keyedHash(purpose, text))).size, all.length)
  const known = createSealer(`k1:${Buffer.alloc(32, 1).toString('base64')}`)
  t.equal(
    known.keyedHash('number', 'app +14155550100'), 'BDn0Dv27zc2HTURmyMaenQ', 'the same from one version to the next',
  )
})

t.test('subkeys are KeyObjects, one for each purpose and key', async (t) => {
  const rotated = createSealer(`${fresh},${old}`)
  const keys = (['seal', 'tag', 'id', 'callback', 'secret'] as const).flatMap((purpose) => rotated.subkeys(purpose))
  t.equal(keys.length, 10)
  t.equal(new Set(keys.map((one) => one.export().toString('hex'))).size, 10)
  t.equal(rotated.subkeys('tag'), rotated.subkeys('tag'), 'made once')
})

t.test('SEAL_KEYS that cannot be used are refused by name, and no key is shown', async (t) => {
  const secret = randomBytes(31).toString('base64')
  const long = randomBytes(32).toString('base64')
  for (
    const text of ['', 'k1', `k1:${secret}`, `${old},`, `${old},${old}`, `:${long}`, `k 1:${long}`, `k1:${long}!!`]
  ) {
    try {
      createSealer(text)
      t.fail(`accepted: ${text.length} characters`)
    } catch (error) {
      t.ok(error instanceof Error && error.message.includes('SEAL_KEYS'))
      const shown = error instanceof Error ? `${error.message}${error.stack}` : ''
      t.notOk([secret, long, old].some((text) => shown.includes(text.slice(3, 15))))
    }
  }
})
