import t from 'tap'
import { ProviderError } from '../../src/core/errors.ts'
import { errorCode, openTestbed, phoneNumber, type SetUp, type SetUpOptions } from '../helpers/verifications.ts'

const { setUp } = await openTestbed(t)

/** What is said of the methods of `toy`, by their last word: `''` is eligible. */
async function ask ({ gateway, apps }: SetUp, request: object = {}, appId = 'shop'): Promise<Record<string, string>> {
  const app = apps.byId(appId)
  if (app === null) throw new Error(`no app ${appId}`)
  const items = await gateway.eligibility(app, { phoneNumber, ...request })
  return Object.fromEntries(items.filter(({ provider }) => provider === 'toy')
    .map(({ method, eligible, reason }) => [method.slice('toy.'.length), eligible ? '' : String(reason)]))
}
const all = { code: '', local: '', silent: '', push: '', web: '', token: '', poll: '', operator: '' }

t.test('every configured method, in the order of the providers', async t => {
  const { gateway, app, methods } = setUp()
  const items = await gateway.eligibility(app, { phoneNumber })
  t.strictSame(items, [...methods.keys()].map(method => (
    { method, provider: method.split('.')[0], eligible: true, reason: null }
  )))
  t.equal(await errorCode(gateway.eligibility(app, { phoneNumber: '+1415' })), 'invalid_phone_number')
  t.equal(await errorCode(gateway.eligibility(app, { phoneNumber, device: { ip: '1.2' } })), 'invalid_request')
})

t.test('what the provider says; anything but a reason is a yes', async t => {
  const room = setUp()
  const { toy, count } = room
  toy.answers.canServe = async ({ method }) => {
    if (method === 'toy.silent') return 'not_on_cellular'
    if (method === 'toy.code') throw new ProviderError('toy', 'coverage', 'provider_misconfigured')
    return null
  }
  t.strictSame(await ask(room, { device: { ip: '192.0.2.7:443' } }), { ...all, silent: 'not_on_cellular' })
  t.strictSame(
    toy.questions.map(({ method }) => method).sort(),
    ['toy.code', 'toy.local', 'toy.operator', 'toy.poll', 'toy.push', 'toy.silent'],
  )
  t.match(toy.questions, toy.questions.map(() => ({ phoneNumber, country: 'US', device: { ip: '192.0.2.7' } })))
  t.strictSame(toy.calls, [], 'nothing is started')
  t.match(room.gateway.providers()[0]?.health, { breaker: 'closed', lastFailure: null })
  t.equal(
    await count('verigate_provider_calls_total', { method: 'toy.code', call: 'eligibility', blame: 'operator' }), 1,
  )
})

t.test('the app\'s rules: then the provider is not asked', async t => {
  const withRules = async (shop: Required<SetUpOptions>['shop'], number: string) => {
    const room = setUp({ shop })
    const said = await ask(room, { phoneNumber: number })
    return { said, asked: room.toy.questions.length }
  }
  const country = 'country_not_allowed'
  const denied = {
    ...all, code: country, local: country, silent: country, push: country, poll: country, operator: country,
  }
  t.strictSame(await withRules({ deniedCountries: ['US'] }, phoneNumber), { said: denied, asked: 0 })
  t.strictSame((await withRules({ deniedCountries: ['US'], countryMode: 'monitor' }, phoneNumber)).said, all)
  t.strictSame((await withRules({ allowedCountries: ['DE'] }, '+881612345678')).said, denied, 'a satellite has none')
  const type = 'number_type_not_allowed'
  t.strictSame(await withRules({}, '+19005550100'), { said: { ...all, code: type, push: type }, asked: 4 })
  t.strictSame((await withRules({ allowedNumberTypes: ['premium_rate'] }, '+19005550100')).said, all)
})

t.test('an open breaker is read, and not probed', async t => {
  const room = setUp()
  const { toy, create, pass } = room
  toy.answers.start = async () => { throw new ProviderError('toy', 'start', 'provider_misconfigured') }
  for (const number of ['+14155550102', '+14155550104']) await create({ phoneNumber: number, workflow: ['toy.code'] })
  toy.questions.length = 0
  t.strictSame(await ask(room), { ...all, code: 'provider_unavailable' })
  t.notOk(toy.questions.some(({ method }) => method === 'toy.code'), 'the provider is not asked')
  pass(5_000)
  const before = toy.calls.length
  t.strictSame(await ask(room), all, 'the next start probes')
  t.equal(toy.calls.length, before)
  t.match(room.gateway.providers()[0]?.health, { breaker: 'halfOpen' })
})

t.test('a push of the app itself was recent; what another app did is not shown', async t => {
  const room = setUp()
  const { gateway, create } = room
  const { id } = await create({ workflow: ['toy.push'] })
  await gateway.cancel(id)
  t.strictSame(await ask(room), { ...all, push: 'recently_tried' })
  t.strictSame(await ask(room, {}, 'bank'), all)
  t.strictSame(await ask(room, { phoneNumber: '+14155550102' }), all)
})

t.test('asking uses up nothing', async t => {
  const room = setUp({ shop: { limits: { createsPerNumberPerHour: 1 } }, messagesPerNumber: { perHour: 1, perDay: 1 } })
  const { create, claimFields, budgeted, redis, namespace } = room
  for (let n = 0; n < 3; n += 1) t.strictSame(await ask(room), all)
  t.strictSame([await claimFields(), budgeted, await redis.keys(`${namespace}:*`)], [[], [], []])
  t.match(await create({ workflow: ['toy.code'] }), { status: 'pending' })
})
