import t from 'tap'
import { trustProxies } from '../../../src/api/plugins/client-address.ts'
import { buildTestServer } from '../../helpers/server.ts'

const now = (): number => 1_800_000_040_000

t.test('trusted proxies, in every spelling of an address', async t => {
  const isTrusted = trustProxies(['10.0.0.0/8', '192.0.2.1', '2001:db8:1::/48', '::ffff:198.51.100.0/120'])
  for (const address of [
    '10.1.2.3', '10.1.2.3:443', '::ffff:10.1.2.3', '[::ffff:10.1.2.3]:1', '192.0.2.1', '2001:db8:1::9',
    '[2001:DB8:1::9]:443',
    '198.51.100.9',
  ]) t.ok(isTrusted(address), address)
  for (
    const address of [
      '11.0.0.1', '192.0.2.2', '2001:db8:2::1', '198.51.101.1', '', 'unknown', '10.0.0.1, 10.0.0.2', undefined,
    ]
  ) {
    t.notOk(isTrusted(address), String(address))
  }
  t.notOk(trustProxies([])('127.0.0.1'))
})

t.test('an address counts once, whatever port and spelling it is forwarded with', async t => {
  const { server } = await buildTestServer(
    t, { trustedProxies: ['10.0.0.0/8', '192.0.2.0/24'], ipRequestsPerMinute: 3, privateIpRequestsPerMinute: 3, now },
  )
  const ask = async (forwarded: string | string[], remoteAddress = '10.0.0.1') => {
    const headers = { authorization: 'Bearer vgk_guess', 'x-forwarded-for': forwarded }
    return (await server.inject({ url: '/providers', remoteAddress, headers })).statusCode
  }
  const same = {
    'a port': ['203.0.113.1:1', '203.0.113.1:2', '203.0.113.1', '203.0.113.1:65535'],
    'ports of proxies in between': [
      '203.0.113.2, 10.0.0.9:1', '203.0.113.2:5, 192.0.2.5:2', '203.0.113.2, 10.0.0.9',
      'spoofed, 203.0.113.2, 10.0.0.9:4',
    ],
    'IPv6 with a port': ['[2001:db8:9::1]:1', '[2001:db8:9::2]:2', '2001:db8:9::3', '[2001:DB8:9:0:1::]'],
    'an IPv4-mapped address': ['::ffff:203.0.113.3', '[::ffff:203.0.113.3]:1', '203.0.113.3', '::FFFF:cb00:7103'],
    'what is no address': ['unknown', '999.1.1.1', 'dead:1', '_hidden'].map(text => `${text}, 192.0.2.77`),
  }
  for (const [name, spellings] of Object.entries(same)) {
    const statuses: number[] = []
    for (const forwarded of spellings) statuses.push(await ask(forwarded, '10.0.0.1'))
    t.strictSame(statuses, [401, 401, 401, 429], name)
  }
  t.equal(await ask('203.0.113.4'), 401, 'another address')
})

t.test('a private peer that forwards addresses is warned about once, if no proxy is declared', async t => {
  const warningsOf = async (trustedProxies: string[], remoteAddress: string, forwarded: string | null) => {
    const { server, lines } = await buildTestServer(t, { trustedProxies })
    const headers = forwarded === null ? {} : { 'x-forwarded-for': forwarded }
    for (let n = 0; n < 3; n += 1) await server.inject({ url: '/livez', remoteAddress, headers })
    return lines.map(line => JSON.parse(line)).filter(({ level, msg }) => level === 40 && /TRUSTED_PROXIES/.test(msg))
  }
  const warnings = await warningsOf([], '10.0.0.1', '203.0.113.7')
  t.equal(warnings.length, 1)
  t.notMatch(JSON.stringify(warnings), /203\.0\.113\.7|10\.0\.0\.1/)
  t.equal((await warningsOf([], '::ffff:127.0.0.1', '203.0.113.7')).length, 1, 'loopback, too')
  for (const [trustedProxies, address, forwarded] of [
    [['10.0.0.0/8'], '10.0.0.1', '203.0.113.7'], [[], '198.51.100.1', '203.0.113.7'], [[], '10.0.0.1', null],
  ] as const) t.strictSame(await warningsOf([...trustedProxies], address, forwarded), [])
})
