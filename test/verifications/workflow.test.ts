import { Type } from 'typebox'
import t from 'tap'
import type { Method } from '../../src/adapters/adapter.ts'
import { ApiError } from '../../src/core/errors.ts'
import { type Verification } from '../../src/core/verification.ts'
import { planWorkflow } from '../../src/verifications/workflow.ts'
import { createVerification } from '../../src/core/decide.ts'
import { skipIneligible } from '../../src/core/routing.ts'
import type { Methods } from '../../src/adapters/guard.ts'

const method = (more: Partial<Method> = {}): Method => ({
  needsPhoneNumber: true, evidence: ['code'], nextActions: ['submitCode'], timeoutMs: 60_000, isRepeatable: false,
  options: Type.Object(
    { codeLength: Type.Optional(Type.Union([Type.Literal(4), Type.Literal(6)])) }, { additionalProperties: false },
  ), ...more,
})
const methods: Methods = new Map([
  ['loud.otp', method({ defaultRank: 3 })],
  ['silent.check', method({ defaultRank: 1, isRepeatable: true })],
  ['finder.web', method({ needsPhoneNumber: false, defaultRank: 4 })],
  ['finder.oauth', method({ needsPhoneNumber: false })],
])
const number = '+14155550100'
const names = (...given: Parameters<typeof planWorkflow>): string[] => planWorkflow(...given).map(step => step.method)

t.test('the default: every configured method that can serve the request, silent ones first', async t => {
  t.strictSame(names(undefined, number, methods), ['silent.check', 'loud.otp'])
  t.strictSame(names(undefined, null, methods), ['finder.web'])
  t.throws(() => planWorkflow(undefined, number, new Map()), /^No configured method can verify this number/)
})

t.test('what was asked for, in its order', async t => {
  t.strictSame(planWorkflow(
    ['loud.otp', { method: 'silent.check', timeoutSeconds: 5, options: { codeLength: 4, continueWhenRejected: true } }],
    number, methods,
  ), [
    { method: 'loud.otp', timeoutMs: 60_000, options: {}, isRepeatable: false, continueWhenRejected: false },
    {
      method: 'silent.check', timeoutMs: 5_000, options: { codeLength: 4 }, isRepeatable: true,
      continueWhenRejected: true,
    },
  ])
})

t.test('what cannot be', async t => {
  const refused = (
    items: Parameters<typeof planWorkflow>[0], phoneNumber: string | null, apiCode: string, field?: string,
  ): void => {
    try {
      planWorkflow(items, phoneNumber, methods)
      t.fail('is refused')
    } catch (error) {
      if (!(error instanceof ApiError)) throw error
      t.equal(error.apiCode, apiCode)
      if (field !== undefined) t.equal(error.extra.errors?.[0]?.field, field)
    }
  }
  refused(['loud.otp', 'absent.otp'], number, 'method_unavailable', 'workflow/1')
  refused(['loud.otp'], null, 'no_eligible_method')
  refused(
    [{ method: 'loud.otp', options: { codeLength: 5 } }], number, 'invalid_request', 'workflow/0/options/codeLength',
  )
  refused(
    [{ method: 'loud.otp', options: { continueWhenRejected: 'yes' } }], number, 'invalid_request',
    'workflow/0/options/continueWhenRejected',
  )
  refused([{ method: 'loud.otp', options: { color: 'red' } }], number, 'invalid_request')
  t.strictSame(
    names(['loud.otp', 'finder.oauth'], null, methods), ['loud.otp', 'finder.oauth'],
    'one that can serve is enough; the other is skipped later',
  )
})

t.test('route skips what cannot start', async t => {
  const start = (
    workflow: string[], phoneNumber: string | null, stopped: string[],
  ): Verification => skipIneligible(createVerification({
    id: 'ver_x', appId: 'shop', phoneNumber, reference: null, metadata: {}, locale: null, device: {}, returnUrl: null, key: null, includeProfile: false,
    workflow: workflow.map(
      name => ({ method: name, timeoutMs: 1_000, options: {}, isRepeatable: false, continueWhenRejected: false }),
    ), expiresAt: 600_000,
  }, 0), { methods, isOpen: provider => stopped.includes(provider) }, 0).next
  const told = ({ status, attempts }: Verification): unknown[] => [
    status, ...attempts.map(attempt => [attempt.method, attempt.status, 'reason' in attempt ? attempt.reason : null]),
  ]

  t.strictSame(
    told(start(['silent.check', 'loud.otp'], number, ['silent'])),
    ['pending', ['silent.check', 'skipped', 'provider_unavailable'], ['loud.otp', 'pending', null]],
  )
  t.strictSame(
    told(start(['loud.otp', 'finder.web'], null, [])),
    ['pending', ['loud.otp', 'skipped', null], ['finder.web', 'pending', null]],
  )
  t.match(
    start(['silent.check', 'loud.otp'], number, ['silent', 'loud']),
    { status: 'failed', reason: 'provider_unavailable' },
  )
  t.match(start(['loud.otp'], number, []), { status: 'pending', attempts: [{ phase: 'starting' }] })
})
