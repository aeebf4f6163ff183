import { randomBytes } from 'node:crypto'
import t from 'tap'
import type { App } from '../../src/apps/apps.ts'
import { createLimits } from '../../src/apps/limits.ts'
import { createSealer, numberTag } from '../../src/store/sealing.ts'

const sealer = createSealer(`k1:${randomBytes(32).toString('base64')}`)
const limits = createLimits({ sealer, now: () => 1_000 })
const app = (more: App['limits'] = {}): App => ({ id: 'shop', name: 'Shop', keys: [], limits: more })
const counted = { phoneNumber: '+14155550123', numberName: 'tag', country: 'US', ip: '203.0.113.7', takesCodes: true }
const kinds = (
  more: App['limits'], of: Partial<typeof counted> | { phoneNumber: null, numberName: null, country: null } = {},
) =>
  limits.forCreate(app(more), { ...counted, ...of }).map(({ name, add, below }) => [name.split('.')[0], add, below])

t.test('what a create is counted by', async t => {
  t.strictSame(kinds({}), [['creates', 1, 10], ['codes', 0, 15], ['prefix', 1, 100]], 'the defaults')
  t.strictSame(kinds({}, { takesCodes: false }), [['creates', 1, 10], ['prefix', 1, 100]], 'nobody will type a code')
  const all = {
    createsPerNumberPerHour: 1, wrongCodesPerNumberPerHour: 2, createsPerIpPerHour: 3, createsPerPrefixPerHour: 4,
    createsPerCountryPerHour: 5,
  }
  t.strictSame(kinds(all), [['creates', 1, 1], ['codes', 0, 2], ['ip', 1, 3], ['prefix', 1, 4], ['country', 1, 5]])
  t.strictSame(
    kinds(all, { phoneNumber: null, numberName: null, country: null }), [['ip', 1, 3]],
    'a number that is to be discovered',
  )
  t.strictSame(
    kinds({ createsPerNumberPerHour: null, wrongCodesPerNumberPerHour: null, createsPerPrefixPerHour: null }), [],
  )
  for (const { expiresAt } of limits.forCreate(app(all), counted)) t.equal(expiresAt, 3_601_000)
})

t.test('who shares a counter, and that its name tells nothing', async t => {
  const all = {
    createsPerIpPerHour: 3, createsPerPrefixPerHour: 4, createsPerCountryPerHour: 5, createsPerNumberPerHour: null,
    wrongCodesPerNumberPerHour: null,
  }
  const names = (more: Partial<typeof counted>, id = 'shop') =>
    limits.forCreate({ ...app(all), id }, { ...counted, ...more }).map(({ name, partition }) => `${name} ${partition}`)
  const [ip, prefix, country] = names({})
  t.strictSame(names({ phoneNumber: '+14155559999' })[1], prefix, 'the last four digits do not matter')
  t.not(names({ phoneNumber: '+14155660123' })[1], prefix)
  t.not(names({ ip: '203.0.113.8' })[0], ip)
  t.equal(names({ ip: '2001:db8::1' })[0], names({ ip: '2001:db8::ffff' })[0])
  t.equal(names({ ip: '::ffff:203.0.113.7' })[0], ip)
  t.not(names({ country: 'GB' })[2], country)
  for (const [at, name] of names({}, 'bank').entries()) t.not(name, [ip, prefix, country][at], 'another app')
  t.notMatch(names({}).join(), /4155550|203\.0|\bUS\b/)
})

t.test('codes', async t => {
  t.match(limits.forCode(app({ wrongCodesPerNumberPerHour: 3 }), 'tag'), [{ name: 'codes.tag', add: 0, below: 3 }])
  t.match(limits.forCode(null, 'tag'), [{ name: 'codes.tag', add: 0, below: 15 }], 'an app that is no more')
  t.strictSame(limits.forCode(app({ wrongCodesPerNumberPerHour: null }), 'tag'), [])
  t.match(limits.forWrongCode('tag'), [{ name: 'codes.tag', add: 1, below: null }])
})

t.test('refusals', async t => {
  const tagged = numberTag(sealer, counted.phoneNumber)
  for (
    const [kind, cause] of [
      ['creates', 'number_limit'], ['codes', 'code_limit'], ['ip', 'ip_limit'], ['prefix', 'prefix_limit'],
      ['country', 'country_limit'],
    ]
  ) {
    const refusal = limits.refuse({ name: `${kind}.tag`, retryAfterMs: 1_500 }, counted.phoneNumber)
    t.match(
      refusal, { apiCode: 'rate_limited', extra: { retryAfterSeconds: 1.5, refusal: { cause, numberTag: tagged } } },
    )
    t.notMatch(refusal.message, '415')
  }
  t.match(
    limits.refuse({ name: 'ip.tag', retryAfterMs: 0 }, null).extra,
    { retryAfterSeconds: 1, refusal: { cause: 'ip_limit' } },
  )
  t.throws(() => limits.refuse({ name: 'else.tag', retryAfterMs: 0 }, null), TypeError)
})
