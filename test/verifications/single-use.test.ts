import t from 'tap'
import type { AdapterMap } from '../../src/adapters/guard.ts'
import { claimOwner, createSingleUse, readOwner, singleUseMs } from '../../src/verifications/single-use.ts'
import { apply, created, events, step } from '../core/fixtures.ts'
import { openTestbed } from '../helpers/verifications.ts'

const { setUp } = await openTestbed(t)
const { adapters, providerCalls, ids } = setUp()
const singleUseOf = createSingleUse({ adapters, providerCalls })
const id = ids.newId('shop', 0)
const waiting = (method: string) => apply(created({ id, workflow: [step(method)] }), events.attemptStarted)
const evidence = (value: { token: string } | { code: string }) =>
  ({ type: 'evidenceReceived', attempt: 0, evidence: { from: 'app', value } }) as const

t.test('evidence that the adapter names is for one attempt', async t => {
  t.strictSame(
    singleUseOf(waiting('toy.token'), evidence({ token: 'abc' })),
    { provider: 'toy', kind: 'evidence', text: 'abc', owner: claimOwner({ id }, 0) },
  )
  t.equal(singleUseOf(waiting('toy.code'), evidence({ code: '1' })), null, 'the provider binds it')
  t.equal(singleUseOf(waiting('absent.code'), evidence({ token: 'abc' })), null, 'the provider is not configured')
})

t.test('a provider\'s own id of an attempt is for one attempt', async t => {
  const starting = created({ id, workflow: [step('toy.code')] })
  const providerId = 'abc'
  const named = { provider: 'toy', kind: 'id', text: providerId, owner: claimOwner({ id }, 0) }
  t.strictSame(singleUseOf(starting, { ...events.attemptStarted, providerId }), named)
  t.strictSame(singleUseOf(waiting('toy.code'), { ...events.resent, providerId }), named)
  t.equal(singleUseOf(starting, events.attemptStarted), null, 'it returned none')
})

t.test('where callbacks are found by the provider\'s id, its claim names the attempt', async t => {
  const toy = adapters.get('toy')
  const method = toy?.methods['toy.code']
  if (toy === undefined || method === undefined) throw new Error('toy.code is missing')
  const findable: AdapterMap = new Map([
    ['toy', { ...toy, methods: { 'toy.code': { ...method, isFoundByProviderId: true } } }],
  ])
  const used = createSingleUse({ adapters: findable, providerCalls })(
    created({ id, workflow: [step('toy.code')] }), { ...events.attemptStarted, providerId: 'abc' },
  )
  t.strictSame(readOwner(used?.owner ?? ''), { id, attemptIndex: 0 })
  for (const other of ['', claimOwner({ id }, 0), id, `${id} `, `${id} x`, `${id} 0 hash 1`]) t.equal(readOwner(other), null)
})

t.test('other events present nothing', async t => {
  for (const event of [events.canceled, events.timeElapsed, events.startClaimed, events.numberProven]) {
    t.equal(singleUseOf(waiting('toy.token'), event), null, event.type)
  }
  t.equal(singleUseOf(apply(waiting('toy.token'), events.canceled), evidence({ token: 'abc' })), null, 'it has ended')
})

t.test('claimOwner: one text for one attempt, which reveals nothing', async t => {
  t.equal(claimOwner({ id: 'ver_a' }, 0), claimOwner({ id: 'ver_a' }, 0))
  const owners = [claimOwner({ id: 'ver_a' }, 0), claimOwner({ id: 'ver_a' }, 1), claimOwner({ id: 'ver_b' }, 0)]
  t.equal(new Set(owners).size, 3)
  t.notMatch(owners.join(), /ver_/)
  t.equal(singleUseMs, 24 * 3_600_000)
})
