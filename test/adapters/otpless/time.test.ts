import t from 'tap'
import { readTime } from '../../../src/adapters/otpless/time.ts'

t.test('OTPLESS writes times in four ways', async t => {
  const at = 1_724_276_345_000
  for (
    const value of [at, String(at), at / 1000, String(at / 1000), '2024-08-21T21:39:05Z', '2024-08-22T03:09:05+05:30']
  ) {
    t.equal(readTime(value), at, String(value))
  }
  t.equal(readTime(1_724_276_345_786), 1_724_276_345_786)
  for (const value of [undefined, null, '', 'soon', '2024-08-21T21:39:05', true, {}, [], NaN, 1e300, -1e300]) {
    t.equal(readTime(value), null, String(value))
  }
})
