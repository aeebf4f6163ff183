import t from 'tap'
import { isPrivateAddress, networkOf } from '../src/net.ts'

t.test('private addresses', async t => {
  for (
    const address of [
      '127.0.0.1', '10.1.2.3', '172.16.0.1', '172.31.255.255', '192.168.1.1', '::1', 'fd00::1', '::ffff:10.0.0.1',
      '::ffff:127.0.0.1',
    ]
  ) {
    t.ok(isPrivateAddress(address), address)
  }
  for (
    const address of [
      '203.0.113.7', '172.32.0.1', '100.64.0.1', '169.254.1.1', '2001:db8::1', '::ffff:203.0.113.7', 'fe80::1', '',
      'localhost', '10.1.2', '0x7f000001',
    ]
  ) {
    t.notOk(isPrivateAddress(address), address)
  }
})

t.test('one customer, one network', async t => {
  t.equal(networkOf('203.0.113.7'), '203.0.113.7')
  t.equal(networkOf('::ffff:203.0.113.7'), '203.0.113.7')
  t.equal(networkOf('2001:db8:1:2:3:4:5:6'), networkOf('2001:DB8:1:2::9'))
  t.not(networkOf('2001:db8:1:2::9'), networkOf('2001:db8:1:3::9'))
  t.equal(networkOf('no address'), 'no address')
})
