import t from 'tap'
import { asBearer, readBasic } from '../../../src/api/plugins/basic-auth.ts'

const basic = (text: string): string => `Basic ${Buffer.from(text).toString('base64')}`

t.test('the password of HTTP Basic is the bearer token', async t => {
  t.equal(asBearer(basic('AC1:vgk_key')), 'Bearer vgk_key')
  t.equal(asBearer(basic(':vgk_key').replace('Basic', 'bAsIc')), 'Bearer vgk_key')
  t.strictSame(readBasic(basic('AC1:a:b')), { user: 'AC1', password: 'a:b' })
  t.strictSame(readBasic(basic('vgk_key')), { user: '', password: 'vgk_key' })
})

t.test('another header stays as it is', async t => {
  for (const header of [undefined, '', 'Bearer vgk_key', 'Basic', 'Basic !', 'Basic a b']) {
    t.equal(asBearer(header), header)
    t.equal(readBasic(header), null)
  }
})
