import t from 'tap'
import {
  claimOwner, createSingleUse, readOwner, singleUseMs, singleUseText,
} from '../../src/verifications/single-use.ts'
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
  const testing = { ...waiting('toy.token'), testNumber: { codeHash: 'x', codeLength: 6 } }
  t.equal(singleUseOf(testing, evidence({ token: 'abc' })), null, 'the fixed code of a test number is used again')
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

t.test('where callbacks have the provider\'s id only, its claim names the attempt', async t => {
  const starting = created({ id, workflow: [step('toy.operator')] })
  const owner = singleUseOf(starting, { ...events.attemptStarted, providerId: 'abc', isFindable: true })?.owner ?? ''
  t.strictSame(readOwner(owner), { id, attemptIndex: 0 })
  t.equal(readOwner(claimOwner({ id }, 0)), null, 'another claim')
  for (const text of ['', id, owner.slice(1), `${owner} `]) t.equal(readOwner(text), null, text)
  t.equal(singleUseText({ provider: 'toy', kind: 'id', text: 'abc' }), 'toy id abc')
})

t.test('other events present nothing', async t => {
  for (const event of [events.canceled, events.timeElapsed, events.startClaimed, events.numberProven]) {
    t.equal(singleUseOf(waiting('toy.token'), event), null, event.type)
  }
})

t.test('claimOwner: one text for one attempt, which reveals nothing', async t => {
  t.equal(claimOwner({ id: 'ver_a' }, 0), claimOwner({ id: 'ver_a' }, 0))
  const owners = [claimOwner({ id: 'ver_a' }, 0), claimOwner({ id: 'ver_a' }, 1), claimOwner({ id: 'ver_b' }, 0)]
  t.equal(new Set(owners).size, 3)
  t.notMatch(owners.join(), /ver_/)
  t.equal(singleUseMs, 24 * 3_600_000)
})
