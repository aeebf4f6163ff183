import { setTimeout as delay } from 'node:timers/promises'
import t from 'tap'
import { isPrivateAddress, networkOf, readAddress, readRetryAfter, waitAtMost, withDeadline } from '../src/net.ts'

t.test('loopback and private addresses', async t => {
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

t.test('a customer is identified by an IPv4 address or an IPv6 /64', async t => {
  t.equal(networkOf('203.0.113.7'), '203.0.113.7')
  t.equal(networkOf('::ffff:203.0.113.7'), '203.0.113.7')
  t.equal(networkOf('2001:db8:1:2:3:4:5:6'), networkOf('2001:DB8:1:2::9'))
  t.not(networkOf('2001:db8:1:2::9'), networkOf('2001:db8:1:3::9'))
  t.equal(networkOf('203.0.113.7:1234'), '203.0.113.7')
  t.equal(networkOf('[2001:db8:1:2::9]:1234'), networkOf('2001:db8:1:2::9'))
  t.not(networkOf('64:ff9b::cb00:7107'), networkOf('64:ff9b::cb00:7108'), 'behind a NAT64 they are two customers')
  t.equal(networkOf('no address'), 'no address')
})

t.test('an address is read with its port, in its canonical form', async t => {
  const cases: [string, string | null][] = [
    ['203.0.113.7', '203.0.113.7'], ['203.0.113.7:443', '203.0.113.7'], ['203.0.113.7:1', '203.0.113.7'],
    ['2001:DB8:0:0::1', '2001:db8::1'], ['[2001:db8::1]', '2001:db8::1'], ['[2001:db8::1]:65535', '2001:db8::1'],
    ['::ffff:203.0.113.7', '203.0.113.7'], ['::FFFF:cb00:7107', '203.0.113.7'], [
      '[::ffff:203.0.113.7]:9', '203.0.113.7',
    ],
    ['64:ff9b::cb00:7107', '203.0.113.7'], ['::1', '::1'],
    ...[
      '', '999.1.1.1', 'dead', '1.2.3', '1.2.3.4.5', '01.2.3.4', '1.2.3.4:', '1.2.3.4:x', '1.2.3.4:123456',
      '1.2.3.4:1:2', '[1.2.3.4]',
      '[1.2.3.4]:1', '[::1', '::1]', '[]', '[]:1', '[::1]x', '[::1]:', 'fe80::1%eth0', '[fe80::1%1]:1', ' 1.2.3.4',
      '1.2.3.4 ',
      '1.2.3.4\n', 'localhost', 'localhost:80', 'unknown', '1.2.3.4/8', '0x7f000001', '2130706433', ':::', '1::2::3',
      '12345::',
    ].map((text): [string, null] => [text, null]),
  ]
  for (const [text, address] of cases) t.equal(readAddress(text), address, JSON.stringify(text))
})

t.test('work that ends in time keeps its result and its error', async t => {
  const late = (): Error => new Error('late')
  t.equal(await withDeadline(60_000, late, Promise.resolve('done')), 'done')
  await t.rejects(withDeadline(60_000, late, Promise.reject(new RangeError('own'))), new RangeError('own'))
})

t.test('work that is late ends with the error of its deadline, each at its own time', async t => {
  const ended: string[] = []
  const wait = (deadlineMs: number, name: string): Promise<void> =>
    withDeadline(deadlineMs, () => new Error(name), new Promise<never>(() => {})).catch(({ message }: Error) => {
      ended.push(message)
    })
  const short = 30
  const first = wait(short, 'first')
  await withDeadline(short, () => new Error('never'), Promise.resolve())
  await delay(short / 2)
  const second = wait(short, 'second')
  await first
  t.strictSame(ended, ['first'], 'the deadline that began later has not ended')
  await second
  t.strictSame(ended, ['first', 'second'])
  await wait(short, 'third')
  t.strictSame(ended, ['first', 'second', 'third'], 'also after all others have ended')
})

t.test('a wait ends with the work or at its timeout, and never rejects', async t => {
  t.equal(await waitAtMost(1, new Promise(() => {})), undefined)
  t.equal(await waitAtMost(60_000, Promise.reject(new Error('any'))), undefined)
})

t.test('Retry-After in seconds or as a date, at most a day', async t => {
  const now = Date.parse('Wed, 21 Oct 2026 07:28:00 GMT')
  const cases: [string | string[] | undefined, number | null][] = [
    ['0', 0], ['120', 120_000], ['999999', 86_400_000],
    ['Wed, 21 Oct 2026 07:28:30 GMT', 30_000], ['Wed, 21 Oct 2026 07:27:00 GMT', 0],
    ['Fri, 23 Oct 2026 07:28:00 GMT', 86_400_000],
    [undefined, null], ['', null], ['-1', null], ['1.5', null], ['soon', null], ['no date GMT', null], [['1'], null],
  ]
  for (const [value, delayMs] of cases) t.equal(readRetryAfter(value, now), delayMs, String(value))
})
