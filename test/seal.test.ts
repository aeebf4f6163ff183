import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import t from 'tap'
import type { Json } from '../src/adapters/adapter.ts'
import { createSealer, markOf, SealBroken } from '../src/seal.ts'

const key = (id: string): string => `${id}:${randomBytes(32).toString('base64')}`
const [old, fresh] = [key('k1'), key('k2')]
const sealer = createSealer(old)

t.test('any JSON value comes back, under its own name only', async (t) => {
  fc.assert(fc.property(fc.jsonValue(), fc.string(), fc.string(), (made, aad, other) => {
    const value: Json = JSON.parse(JSON.stringify(made))
    const sealed = sealer.seal(value, aad)
    t.same(sealer.open(sealed, aad), value)
    if (Buffer.compare(Buffer.from(aad), Buffer.from(other)) !== 0) t.throws(() => sealer.open(sealed, other), SealBroken)
  }), { numRuns: 50 })
})

t.test('a change of any byte, or an end cut off, is noticed', async (t) => {
  const sealed = sealer.seal({ phoneNumber: '+14155550100' }, 'name')
  for (let at = 0; at < sealed.length; at++) {
    const changed = Buffer.from(sealed)
    changed.writeUInt8(sealed.readUInt8(at) ^ 1, at)
    t.throws(() => sealer.open(changed, 'name'), SealBroken, `byte ${at}`)
    t.throws(() => sealer.open(sealed.subarray(0, at), 'name'), SealBroken, `first ${at} bytes`)
  }
})

t.test('what is sealed shows nothing of it, and is another each time', async (t) => {
  const sealed = [1, 2].map(() => sealer.seal({ phoneNumber: '+14155550100' }, 'name'))
  t.notMatch(sealed[0]?.toString('latin1'), /4155550100|phoneNumber/)
  t.not(sealed[0]?.toString('hex'), sealed[1]?.toString('hex'))
  const marks = sealed.map((one) => markOf(one).toString('hex'))
  t.not(marks[0], marks[1])
  t.match(marks[0], /^01026b31[0-9a-f]{24}$/, 'format, key id, nonce')
})

t.test('keys rotate: the first seals, all open, a key that is gone does not', async (t) => {
  const rotated = createSealer(`${fresh}, ${old}`)
  const before = sealer.seal('value', 'name')
  t.equal(rotated.open(before, 'name'), 'value')
  const after = rotated.seal('value', 'name')
  t.equal(createSealer(fresh).open(after, 'name'), 'value')
  t.throws(() => sealer.open(after, 'name'), new SealBroken('no key of SEAL_KEYS has its id'))
  t.throws(() => createSealer(key('k1')).open(before, 'name'), SealBroken, 'the same id, another key')
})

t.test('tags are stable, differ by purpose, text and key, and reveal nothing', async (t) => {
  const number = '+14155550100'
  t.match(sealer.tag('number', number), /^[A-Za-z0-9_-]{22}$/)
  t.equal(sealer.tag('number', number), createSealer(old).tag('number', number))
  const rotated = createSealer(`${fresh},${old}`)
  t.same(rotated.tags('number', number), [createSealer(fresh).tag('number', number), sealer.tag('number', number)])
  t.equal(rotated.tag('number', number), rotated.tags('number', number)[0])
  const all = [['number', number], ['number', '+14155550101'], ['ip', number], ['n', `umber${number}`]] as const
  t.equal(new Set(all.map(([purpose, text]) => sealer.tag(purpose, text))).size, all.length)
  const known = createSealer(`k1:${Buffer.alloc(32, 1).toString('base64')}`)
  t.equal(known.tag('number', 'app +14155550100'), 'BDn0Dv27zc2HTURmyMaenQ', 'the same from one version to the next')
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
  for (const text of ['', 'k1', `k1:${secret}`, `${old},`, `${old},${old}`, `:${long}`, `k 1:${long}`, `k1:${long}!!`]) {
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
