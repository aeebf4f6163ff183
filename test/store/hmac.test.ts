import { createHmac, createSecretKey } from 'node:crypto'
import fc from 'fast-check'
import t from 'tap'
import { prepareHmac } from '../../src/store/hmac.ts'

t.test('the test cases of RFC 4231', async (t) => {
  const repeat = (byte: number, times: number): Buffer => Buffer.alloc(times, byte)
  const cases: [key: Buffer, data: Buffer, mac: string][] = [
    [repeat(0x0b, 20), Buffer.from('Hi There'), 'b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7'],
    [Buffer.from('Jefe'), Buffer.from('what do ya want for nothing?'), '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843'],
    [repeat(0xaa, 20), repeat(0xdd, 50), '773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe'],
    [Buffer.from(Array.from({ length: 25 }, (_, at) => at + 1)), repeat(0xcd, 50), '82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b'],
    [repeat(0x0c, 20), Buffer.from('Test With Truncation'), 'a3b6167473100ee06e0c796c2955552b'],
    [repeat(0xaa, 131), Buffer.from('Test Using Larger Than Block-Size Key - Hash Key First'), '60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54'],
    [
      repeat(0xaa, 131),
      Buffer.from('This is a test using a larger than block-size key and a larger than block-size data. The key needs to be hashed before being used by the HMAC algorithm.'),
      '9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2',
    ],
  ]
  for (const [at, [key, data, mac]] of cases.entries()) {
    const made = prepareHmac(createSecretKey(key))(data, '', 'binary')
    t.equal(Buffer.from(made, 'binary').toString('hex').slice(0, mac.length), mac, `case ${at + 1}`)
  }
})

t.test('it is what createHmac makes of the same, whatever was made before', async (t) => {
  const text = fc.oneof(
    fc.string({ unit: 'binary' }),
    // Halves of characters, too.
    fc.array(fc.nat({ max: 0xffff })).map((units) => String.fromCharCode(...units)),
    fc.nat({ max: 5000 }).map((length) => '€'.repeat(length)),
  )
  const bytes = fc.uint8Array({ maxLength: 5000, size: 'max' })
  const messages = fc.array(fc.tuple(bytes, text, fc.constantFrom('base64', 'base64url', 'binary')), { minLength: 1 })
  fc.assert(fc.property(fc.uint8Array({ minLength: 1, maxLength: 200, size: 'max' }), messages, (secret, messages) => {
    const key = createSecretKey(secret)
    const hmac = prepareHmac(key)
    for (const [bytes, text, encoding] of messages) {
      t.equal(hmac(bytes, text, encoding), createHmac('sha256', key).update(bytes).update(text).digest(encoding))
    }
  }))
})
