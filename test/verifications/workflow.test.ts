import { Type } from 'typebox'
import t from 'tap'
import type { Method } from '../../src/adapters/adapter.ts'
import type { Assurance } from '../../src/core/assurance.ts'
import { ApiError } from '../../src/core/errors.ts'
import {
  findWorkflowProblem, planWorkflow, type Requested, type WorkflowRequest,
} from '../../src/verifications/workflow.ts'
import type { MethodContext, Methods } from '../../src/adapters/guard.ts'

const method = (more: Partial<Method> = {}): Method => ({
  needsPhoneNumber: true, evidence: ['code'], nextActions: ['submitCode'], timeoutMs: 60_000, isRepeatable: false,
  sendsMessage: false, userStep: 'types a code',
  assurance: { possession: 'message', binding: 'session', restricted: false },
  options: Type.Object(
    { codeLength: Type.Optional(Type.Union([Type.Literal(4), Type.Literal(6)])) }, { additionalProperties: false },
  ), ...more,
})
const silent: Assurance = { possession: 'sim', binding: 'session', restricted: false }
const methods: Methods = new Map([
  ['loud.otp', method({ defaultRank: 3, sendsMessage: true, codeAttempts: 5 })],
  ['silent.check', method({ defaultRank: 1, isRepeatable: true, assurance: silent })],
  ['finder.web', method({ needsPhoneNumber: false, defaultRank: 4 })],
  ['finder.oauth', method({ needsPhoneNumber: false, assurance: { ...silent, binding: 'none' } })],
  ['operator.number', method({ needsReturnUrl: true })],
])
const routing: MethodContext = { methods, isOpen: () => false }
const known: Requested = { phoneNumber: '+14155550100', returnUrl: null, minAssurance: 1 }
const nothing: Requested = { ...known, phoneNumber: null }
const names = (...given: Parameters<typeof planWorkflow>): string[] => planWorkflow(...given).map(step => step.method)

t.test('the default: every configured method that can serve the request, silent methods first', async t => {
  t.strictSame(names(undefined, known, routing), ['silent.check', 'loud.otp'])
  t.strictSame(names(undefined, nothing, routing), ['finder.web'])
  t.strictSame(names(undefined, { ...known, minAssurance: 3 }, routing), ['silent.check'], 'that proves enough')
  const without: MethodContext = { ...routing, methods: new Map() }
  t.throws(() => planWorkflow(undefined, known, without), /^No configured method can serve this request/)
})

t.test('a method whose own code is short is for apps with weak codes', async t => {
  const short = Type.Object({
    codeLength: Type.Optional(Type.Integer({ minimum: 4, maximum: 10, default: 4 })),
  }, { additionalProperties: false })
  const own = method({ defaultRank: 2, options: short })
  const context = { ...routing, methods: new Map([...methods, ['own.sms', own]]) }
  t.strictSame(names(undefined, known, context), ['silent.check', 'loud.otp'])
  t.strictSame(names(undefined, known, context, { weakCodes: true }), ['silent.check', 'own.sms', 'loud.otp'])
  t.throws(() => planWorkflow(['own.sms'], known, context), /codeLength` must be at least 6/)
  t.match(planWorkflow([{ method: 'own.sms', options: { codeLength: 6 } }], known, context), [{ method: 'own.sms' }])
  t.match(findWorkflowProblem({ workflow: ['own.sms'] }, context.methods), { field: 'workflow/0/options/codeLength' })
})

t.test('the default takes one of several methods with the same rank', async t => {
  const many: Methods = new Map([
    ['first.sms', method({ defaultRank: 3, sendsMessage: true })], ...methods,
    ['second.sms', method({ defaultRank: 3, sendsMessage: true, assurance: silent })],
    ['second.check', method({ defaultRank: 1, needsReturnUrl: true, assurance: silent })],
    ['second.push', method({ defaultRank: 2 })], ['second.call', method({ sendsMessage: true })],
    ['second.token', method({ needsPhoneNumber: false, defaultRank: 5 })],
    ['third.token', method({ needsPhoneNumber: false, defaultRank: 5 })],
  ])
  const open = (...failing: string[]): MethodContext =>
    ({ methods: many, isOpen: name => failing.includes(name) })
  const order = (context: MethodContext, request: Requested = known) => names(undefined, request, context)
  t.strictSame(order(open()), ['silent.check', 'second.push', 'first.sms'], 'the first one of the configuration')
  t.strictSame(order(open(), nothing), ['finder.web', 'second.token'])
  t.strictSame(
    order(open(), { ...known, minAssurance: 3 }), ['silent.check', 'second.sms'],
    'the first that can serve the request',
  )
  t.strictSame(
    order({ ...open(), methods: new Map([...many].filter(([name]) => name.startsWith('second'))) },
      { ...known, returnUrl: 'https://x.example' }), ['second.check', 'second.push', 'second.sms'],
  )
  t.strictSame(order(open('first.sms')), ['silent.check', 'second.push', 'loud.otp'], 'the first that is not failing')
  t.strictSame(
    order(open('first.sms', 'loud.otp', 'second.sms', 'second.push')), ['silent.check', 'second.push', 'first.sms'],
    'the first one, where all are failing',
  )
  t.strictSame(names(['first.sms', 'second.sms'], known, open('first.sms')), ['first.sms', 'second.sms'], 'listed: all')
})

t.test('the requested steps, in their order', async t => {
  t.strictSame(planWorkflow(
    ['loud.otp', { method: 'silent.check', timeoutSeconds: 5, options: { codeLength: 4, continueWhenRejected: true } }],
    known, routing, { weakCodes: true },
  ), [
    {
      method: 'loud.otp', timeoutMs: 60_000, options: {}, isRepeatable: false, continueWhenRejected: false,
      sendsMessage: true,
    },
    {
      method: 'silent.check', timeoutMs: 5_000, options: { codeLength: 4 }, isRepeatable: true,
      continueWhenRejected: true,
    },
  ])
})

t.test('weak codes', async t => {
  const plan = (item: WorkflowRequest[number], weakCodes?: boolean) =>
    planWorkflow([item], known, routing, { weakCodes })
  const [short, long] = [
    { method: 'loud.otp', options: { codeLength: 4 } }, { method: 'loud.otp', timeoutSeconds: 3_600 },
  ]
  t.throws(
    () => plan(short), /^`workflow\/0\/options\/codeLength` must be at least 6, since the app has no `weakCodes`/,
  )
  t.match(plan(short, true), [{ options: { codeLength: 4 } }])
  t.match(plan({ method: 'loud.otp', options: { codeLength: 6 } }), [{ options: { codeLength: 6 } }])
  t.match(plan(long), [{ timeoutMs: 600_000 }], 'a code lives ten minutes')
  t.match(plan(long, true), [{ timeoutMs: 3_600_000 }])
  t.match(plan({ method: 'finder.web', timeoutSeconds: 3_600 }), [{ timeoutMs: 3_600_000 }], 'no code')
  t.match(findWorkflowProblem({ workflow: [short] }, methods), { field: 'workflow/0/options/codeLength' })
  t.equal(findWorkflowProblem({ workflow: [short], weakCodes: true }, methods), null)
})

t.test('a number that gets no messages', async t => {
  const special: Requested = { ...known, getsMessages: () => false }
  t.strictSame(names(undefined, special, routing), ['silent.check'])
  t.strictSame(names(['loud.otp', 'finder.web'], special, routing), ['loud.otp', 'finder.web'], 'skipped at its start')
  t.throws(() => planWorkflow(['loud.otp'], special, routing), /^Numbers of this type get no messages/)
  t.throws(() => planWorkflow(['operator.number'], special, routing), /^`returnUrl` is missing/)
  t.throws(() => planWorkflow(['loud.otp'], { ...special, minAssurance: 3 }, routing), {
    message: 'No method of the workflow can verify this number. Methods that can: silent.check.',
  })
})

t.test('the workflow of an app', async t => {
  const problem = (workflow: WorkflowRequest) => findWorkflowProblem({ workflow: [...workflow] }, methods)
  t.equal(findWorkflowProblem({}, methods), null)
  t.equal(problem(['loud.otp', 'finder.web']), null)
  t.match(problem(['loud.otp', 'absent.otp']), {
    field: 'workflow/1',
    message: 'is not available: use one of loud.otp, silent.check, finder.web, finder.oauth, operator.number',
  })
  t.match(problem([{ method: 'loud.otp', options: { codeLength: 5 } }]), { field: 'workflow/0/options/codeLength' })
  t.match(problem([{ method: 'loud.otp', options: { colour: 1 } }]), { field: 'workflow/0/options/*' })
  const demanding = (...workflow: string[]) => findWorkflowProblem({ workflow, minAssurance: 3 }, methods)
  t.equal(demanding('loud.otp', 'silent.check'), null, 'one method is enough')
  t.match(demanding('loud.otp', 'finder.oauth'), { field: 'minAssurance' })
  t.equal(findWorkflowProblem({ minAssurance: 3 }, methods), null, 'without a workflow of its own')
})

t.test('a workflow that is refused', async t => {
  const refused = (
    items: WorkflowRequest, given: Requested, apiCode: string, field?: string,
  ): void => {
    try {
      planWorkflow(items, given, routing)
      t.fail('is refused')
    } catch (error) {
      if (!(error instanceof ApiError)) throw error
      t.equal(error.apiCode, apiCode)
      if (field !== undefined) t.equal(error.extra.errors?.[0]?.field, field)
    }
  }
  refused(['loud.otp', 'absent.otp'], known, 'method_unavailable', 'workflow/1')
  refused(['operator.number'], known, 'no_eligible_method', 'returnUrl')
  t.strictSame(names(['operator.number'], { ...known, returnUrl: 'https://x.example' }, routing), ['operator.number'])
  refused(['loud.otp'], nothing, 'no_eligible_method')
  refused(['loud.otp', 'finder.oauth'], { ...known, minAssurance: 3 }, 'no_eligible_method', 'minAssurance')
  refused(
    [{ method: 'loud.otp', options: { codeLength: 5 } }], known, 'invalid_request', 'workflow/0/options/codeLength',
  )
  refused(
    [{ method: 'loud.otp', options: { continueWhenRejected: 'yes' } }], known, 'invalid_request',
    'workflow/0/options/continueWhenRejected',
  )
  refused([{ method: 'loud.otp', options: { color: 'red' } }], known, 'invalid_request', 'workflow/0/options/*')
  t.throws(() => planWorkflow([{ method: 'loud.otp', options: { color: 'red' } }], known, routing), {
    message: '`workflow/0/options/*` is not an option of loud.otp, which has codeLength, continueWhenRejected.',
  })
  t.throws(() => planWorkflow(['absent.otp'], known, routing), {
    message: 'Item 0 of the workflow names a method that is unknown or not configured. '
      + 'Available: loud.otp, silent.check, finder.web, finder.oauth, operator.number.',
  })
  t.throws(() => planWorkflow(['loud.otp'], nothing, routing), {
    message: 'No method of the workflow works without a phone number. Methods that do: finder.web, finder.oauth.',
  })
  t.strictSame(
    names(['loud.otp', 'finder.oauth'], nothing, routing), ['loud.otp', 'finder.oauth'],
    'one that can serve is enough; the other is skipped when it would start',
  )
  t.strictSame(
    names(['finder.oauth', 'loud.otp'], { ...known, minAssurance: 2 }, routing), ['finder.oauth', 'loud.otp'],
    'one that proves enough is enough, too',
  )
})
