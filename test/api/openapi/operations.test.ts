import t from 'tap'
import { Type } from 'typebox'
import { Compile } from 'typebox/compile'
import { apiErrors } from '../../../src/core/errors.ts'
import {
  jsonResponse, apiErrorResponses, byAppKey, byAppKeyOrClientSecret, byAppKeyOrClientSecretInQuery, publicErrors,
  errorResponses, withExamples,
} from '../../../src/api/openapi/operations.ts'

t.test('error responses are grouped by status, each code with advice and an example', async t => {
  const { 422: answer, ...others } = errorResponses('code_incorrect', 'invalid_phone_number', 'gone')
  t.same(Object.keys(others), ['410'])
  t.ok(answer?.description.includes(`${apiErrors.code_incorrect.when} ${apiErrors.code_incorrect.advice}`))
  t.match(answer?.content['application/problem+json'].examples, {
    code_incorrect: {
      summary: apiErrors.code_incorrect.title, value: { status: 422, attemptsRemaining: 4 },
    }, invalid_phone_number: {},
  })
  t.same(Object.keys(apiErrorResponses()), ['400', '401', '403', '500', '503'])
  t.same(Object.keys(publicErrors('not_found')), ['400', '404', '500', '503'])
  t.same(
    errorResponses('store_unavailable', 'overloaded'), errorResponses('overloaded', 'store_unavailable', 'overloaded'),
    'the order of the arguments does not matter',
  )
})

t.test('security of the callers', async t => {
  t.same(byAppKey('providers:read'), [{ apiKey: ['providers:read'] }])
  t.same(byAppKeyOrClientSecret('verifications:read'), [{ apiKey: ['verifications:read'] }, { clientSecret: [] }])
  t.same(byAppKeyOrClientSecretInQuery('verifications:read').at(-1), { clientSecretInQuery: [] })
})

t.test('examples do not change the schema', async t => {
  const schema = Type.Object({ code: Type.String() }, { additionalProperties: false })
  const examples = { one: { summary: 'One', value: { code: '1' } } }
  const shown = withExamples(schema, examples)
  t.same(shown['x-examples'], examples)
  t.same([{ code: '1' }, {}, { code: '1', more: 1 }].map(value => Compile(shown).Check(value)), [true, false, false])
  t.notOk('x-examples' in schema)
  t.same(
    jsonResponse('Done.', schema, examples),
    { description: 'Done.', headers: {}, content: { 'application/json': { schema, examples } } },
  )
})
