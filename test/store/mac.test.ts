import { createHash, randomBytes } from 'node:crypto'
import fc from 'fast-check'
import t from 'tap'
import { createMac } from '../../src/store/mac.ts'

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
