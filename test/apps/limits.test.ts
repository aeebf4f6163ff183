import { randomBytes } from 'node:crypto'
import t from 'tap'
import type { App } from '../../src/apps/apps.ts'
import { createLimits, limitOf, type CreateFacts } from '../../src/apps/limits.ts'
import { createSealer, numberTag } from '../../src/store/sealing.ts'

const sealer = createSealer(`k1:${randomBytes(32).toString('base64')}`)
const limits = createLimits({ sealer })
const at = 1_000
const app = (more: App['limits'] = {}): App => ({ id: 'shop', name: 'Shop', keys: [], limits: more })
const facts: CreateFacts = {
  phoneNumber: '+14155550123', numberName: 'tag', country: 'US', ip: '203.0.113.7', takesCodes: true,
}
const kinds = (more: App['limits'], changed: Partial<CreateFacts> = {}) => limits
  .forCreate(app(more), { ...facts, ...changed }, at)
  .map(({ name, add, below }) => [name.split('.')[0], add, below])

t.test('the limit of an app, or the default', async t => {
  t.equal(limitOf(app({ createsPerMinute: 5 }), 'createsPerMinute'), 5)
  t.equal(limitOf(app(), 'createsPerMinute'), 600)
  t.equal(limitOf(app({ createsPerMinute: null }), 'createsPerMinute'), null, 'no limit')
  const { limits: _limits, ...withoutLimits } = app()
  t.equal(limitOf(withoutLimits, 'wrongCodesPerNumberPerHour'), 15)
  t.equal(limitOf(null, 'wrongCodesPerNumberPerHour'), 15, 'an app that no longer exists')
  t.equal(limitOf(app(), 'createsPerIpPerHour'), null)
})

t.test('the counters of a create', async t => {
  t.strictSame(kinds({}), [['creates', 1, 10], ['codes', 0, 15], ['prefix', 1, 100]], 'the defaults')
  t.strictSame(kinds({}, { takesCodes: false }), [['creates', 1, 10], ['prefix', 1, 100]], 'a workflow without codes')
  const all = {
    createsPerNumberPerHour: 1, wrongCodesPerNumberPerHour: 2, createsPerIpPerHour: 3, createsPerPrefixPerHour: 4,
    createsPerCountryPerHour: 5,
  }
  t.strictSame(kinds(all), [['creates', 1, 1], ['codes', 0, 2], ['ip', 1, 3], ['prefix', 1, 4], ['country', 1, 5]])
  t.strictSame(kinds(all, { phoneNumber: null, numberName: null, country: null }), [['ip', 1, 3]], 'without a number')
  t.strictSame(
    kinds({ createsPerNumberPerHour: null, wrongCodesPerNumberPerHour: null, createsPerPrefixPerHour: null }), [],
  )
  for (const { expiresAt } of limits.forCreate(app(all), facts, at)) t.equal(expiresAt, 3_601_000)
})

t.test('what shares a counter, whose name shows nothing', async t => {
  const all = {
    createsPerIpPerHour: 3, createsPerPrefixPerHour: 4, createsPerCountryPerHour: 5, createsPerNumberPerHour: null,
    wrongCodesPerNumberPerHour: null,
  }
  const names = (changed: Partial<CreateFacts>, id = 'shop') => limits
    .forCreate({ ...app(all), id }, { ...facts, ...changed }, at)
    .map(({ name, partition }) => `${name} ${partition}`)
  const [ip, prefix, country] = names({})
  t.equal(names({ phoneNumber: '+14155559999' })[1], prefix, 'a prefix leaves out the last four digits')
  t.not(names({ phoneNumber: '+14155660123' })[1], prefix)
  t.not(names({ ip: '203.0.113.8' })[0], ip)
  t.equal(names({ ip: '2001:db8::1' })[0], names({ ip: '2001:db8::ffff' })[0])
  t.equal(names({ ip: '::ffff:203.0.113.7' })[0], ip)
  t.not(names({ country: 'GB' })[2], country)
  for (const [index, name] of names({}, 'bank').entries()) t.not(name, [ip, prefix, country][index], 'another app')
  t.notMatch(names({}).join(), /4155550|203\.0|\bUS\b/)
})

t.test('the counters of codes', async t => {
  const expiresAt = 3_601_000
  const below = (count: number) => [{ name: 'codes.tag', add: 0, below: count, expiresAt }]
  t.strictSame(limits.forCode(app({ wrongCodesPerNumberPerHour: 3 }), 'tag', at), below(3))
  t.strictSame(limits.forCode(null, 'tag', at), below(15), 'an app that no longer exists')
  t.strictSame(limits.forCode(app({ wrongCodesPerNumberPerHour: null }), 'tag', at), [])
  t.strictSame(limits.forWrongCode('tag', at), [{ name: 'codes.tag', add: 1, below: null, expiresAt }])
})

t.test('the error of an exceeded limit', async t => {
  const tagged = numberTag(sealer, facts.phoneNumber ?? '')
  const causes = {
    creates: 'number_limit', codes: 'code_limit', ip: 'ip_limit', prefix: 'prefix_limit', country: 'country_limit',
  }
  for (const [kind, cause] of Object.entries(causes)) {
    const refusal = limits.refuse({ name: `${kind}.tag`, retryAfterMs: 1_500 }, facts.phoneNumber)
    t.match(refusal, {
      apiCode: 'rate_limited', extra: { retryAfterSeconds: 1.5, refusal: { cause, numberTag: tagged } },
    })
    t.notMatch(refusal.message, '415')
  }
  t.strictSame(limits.refuse({ name: 'ip.tag', retryAfterMs: 0 }, null).extra, {
    retryAfterSeconds: 1, refusal: { cause: 'ip_limit' },
  })
  t.throws(() => limits.refuse({ name: 'else.tag', retryAfterMs: 0 }, null), TypeError)
})
