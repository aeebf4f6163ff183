import { createHash, randomBytes } from 'node:crypto'
import fc from 'fast-check'
import t from 'tap'
import { partitionOfHash } from '../../src/store/keys.ts'
import { assertRandomKeys, createMac, createSealer, numberTag, SealError, versionOf } from '../../src/store/sealing.ts'

const key = (id: string): string => `${id}:${randomBytes(32).toString('base64')}`
const [old, fresh] = [key('k1'), key('k2')]
const sealer = createSealer(old)
const number = '+14155550100'
const bytes = Buffer.from(`{"phoneNumber":"${number}"}`)

t.test('any bytes open again, with the same name only', async t => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 1_000 }), fc.string(), fc.string(), (value, aad, other) => {
    const sealed = sealer.seal(value, aad)
    t.equal(Buffer.compare(sealer.open(sealed, aad), value), 0)
    const isOther = Buffer.compare(Buffer.from(aad), Buffer.from(other)) !== 0
    if (isOther) t.throws(() => sealer.open(sealed, other), SealError)
  }), { numRuns: 200 })
})

t.test('an unknown format does not open', async t => {
  const sealed = sealer.seal(bytes, 'name')
  for (const format of [0, 1, 2, 3, 5, 255]) {
    sealed[0] = format
    t.throws(() => sealer.open(sealed, 'name'), new SealError('not in a known format'))
    t.throws(() => versionOf(sealed), new SealError('not in a known format'))
  }
})

t.test('a change of any byte, or a missing end, is detected', async t => {
  const sealed = sealer.seal(bytes, 'name')
  for (let at = 0; at < sealed.length; at += 1) {
    for (const mask of [1, 2, 7, 128, 255]) {
      const changed = Buffer.from(sealed)
      changed.writeUInt8(sealed.readUInt8(at) ^ mask, at)
      t.throws(() => sealer.open(changed, 'name'), SealError, `byte ${at}`)
    }
    t.throws(() => sealer.open(sealed.subarray(0, at), 'name'), SealError, `first ${at} bytes`)
  }
})

t.test('the header is authenticated: the id of another key does not open, not even of an equal key', async t => {
  const secret = randomBytes(32).toString('base64')
  const twins = createSealer(`k1:${secret},k3:${secret}`)
  const sealed = twins.seal(bytes, 'name')
  t.strictSame(twins.open(sealed, 'name'), bytes)
  sealed.write('k3', 2)
  t.throws(() => twins.open(sealed, 'name'), new SealError('it was changed, or belongs to another name'))
})

t.test('a sealed value reveals nothing, and its version is new each time', async t => {
  const sealed = [1, 2].map(() => sealer.seal(bytes, 'name'))
  for (const one of sealed) t.notMatch(one.toString('latin1'), /4155550100|phoneNumber/)
  const [first, second] = sealed.map(one => versionOf(one).toString('hex'))
  t.not(first, second)
  t.match(first, /^04026b31[0-9a-f]{24}$/, 'format, key id, nonce')
})

t.test('rotation: the first key seals, all keys open, a removed key does not', async t => {
  const rotated = createSealer(`${fresh}, ${old}`)
  const before = sealer.seal(bytes, 'name')
  t.strictSame(rotated.open(before, 'name'), bytes)
  const after = rotated.seal(bytes, 'name')
  t.strictSame(createSealer(fresh).open(after, 'name'), bytes)
  t.throws(() => sealer.open(after, 'name'), new SealError('no key of SEAL_KEYS has its id'))
  t.throws(() => createSealer(key('k1')).open(before, 'name'), SealError, 'the same id, another key')
})

t.test('a key marked :open opens and finds what it wrote, and validates nothing', async t => {
  const [oldSealer, before] = [createSealer(old), sealer.seal(bytes, 'name')]
  const marked = createSealer(`${fresh},${old}:open`)
  t.strictSame(marked.open(before, 'name'), bytes)
  t.ok(marked.keyedHashes('number', number).includes(oldSealer.keyedHash('number', number)))
  for (const purpose of ['id', 'callback', 'secret'] as const) {
    t.equal(marked.macs(purpose).length, 1, purpose)
    t.strictSame(marked.macs(purpose)[0](bytes), createSealer(fresh).macs(purpose)[0](bytes), 'the first key')
  }
  t.throws(() => createSealer(`${fresh}:open,${old}`), /SEAL_KEYS: the first key encrypts/)
  t.throws(() => createSealer(`${fresh},${old}:closed`), /SEAL_KEYS: entry 2 must be/)
})

t.test('a key that is obviously not random is refused by its place', async t => {
  t.doesNotThrow(() => assertRandomKeys(`${fresh},${old}:open`))
  const constants = [
    Buffer.alloc(32), Buffer.alloc(32, 255), Buffer.alloc(32, 'verigate sandbox'), Buffer.from([...Array(32).keys()]),
    Buffer.from([...Array(32).keys()].map(step => 255 - 3 * step)),
  ]
  for (const bytes of constants) {
    t.throws(
      () => assertRandomKeys(`${fresh},k3:${bytes.toString('base64')}`),
      { message: 'SEAL_KEYS: entry 2 is not random; make one with openssl rand -base64 32' },
    )
  }
  t.throws(() => assertRandomKeys('k1:AA'), /SEAL_KEYS: entry 1 must be/)
  fc.assert(fc.property(fc.constant(null), () => { assertRandomKeys(key('k1')) }), { numRuns: 2_000 })
})

t.test('keyed hashes are stable, differ by purpose, text and key, and reveal nothing', async t => {
  t.match(sealer.keyedHash('number', number), /^[A-Za-z0-9_-]{22}$/)
  t.equal(sealer.keyedHash('number', number), createSealer(old).keyedHash('number', number))
  const rotated = createSealer(`${fresh},${old}`)
  t.strictSame(
    rotated.keyedHashes('number', number),
    [createSealer(fresh).keyedHash('number', number), sealer.keyedHash('number', number)],
  )
  t.equal(rotated.keyedHash('number', number), rotated.keyedHashes('number', number)[0])
  const all = [['number', number], ['number', '+14155550101'], ['ip', number], ['n', `umber${number}`]] as const
  t.equal(new Set(all.map(([purpose, text]) => sealer.keyedHash(purpose, text))).size, all.length)
  const known = createSealer(`k1:${Buffer.alloc(32, 1).toString('base64')}`)
  t.equal(known.keyedHash('number', 'app +14155550100'), 'XTW-FPG8q8UXrHOV0N2fgw', 'the same in every version')
  t.equal(numberTag(known, number), known.keyedHash('place', number))
})

t.test('names are the keyed hashes with their partitions, also when texts alternate', async t => {
  const rotated = createSealer(`${fresh},${old}`)
  for (const text of [number, '+14155550101', '+14155550101', number]) {
    const hashes = rotated.keyedHashes('number', text)
    t.strictSame(rotated.names('number', text), hashes.map(name => ({ name, partition: partitionOfHash(name) })))
    t.strictSame(hashes, createSealer(`${fresh},${old}`).keyedHashes('number', text), 'as of a new sealer')
  }
})

t.test('each purpose and key has a MAC of its own', async t => {
  const rotated = createSealer(`${fresh},${old}`)
  const macs = (['tag', 'id', 'callback', 'secret'] as const).flatMap(purpose => rotated.macs(purpose))
  t.equal(new Set(macs.map(mac => mac(bytes).toString('hex'))).size, 8)
})

t.test('invalid SEAL_KEYS are refused by name, and the error contains no key', async t => {
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
      t.notOk([secret, long, old].some(text => shown.includes(text.slice(3, 15))))
    }
  }
})

t.test('a MAC is the SHA3-256 of the key and the message', async t => {
  const bytes = fc.uint8Array({ maxLength: 300 })
  fc.assert(fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), bytes, (key, message) =>
    createMac(Buffer.from(key))(message).equals(createHash('sha3-256').update(key).update(message).digest())))
  t.equal(
    createMac(Buffer.alloc(32))(Buffer.from('verigate')).toString('hex'),
    'cfb1904b2414138fef5e5c0cd6bde3c2b01962f38e38012a09d63fae06cfd39e',
    'also in another implementation',
  )
})

t.test('a key of another length is refused, because the end of the key would not be known', async t => {
  for (const size of [0, 31, 33]) t.throws(() => createMac(randomBytes(size)), RangeError)
})
