import t from 'tap'
import { Type, type TSchema } from 'typebox'
import { ApiError } from '../../../src/core/errors.ts'
import { compileValidator, invalidRequest } from '../../../src/api/plugins/validation.ts'
import { CheckBody, CreateBody } from '../../../src/api/schemas/requests.ts'

const validate = (schema: TSchema, input: unknown, httpPart = 'body'): unknown => {
  const result: unknown = compileValidator({ schema, method: 'POST', url: '/', httpPart })(input)
  if (typeof result !== 'object' || result === null) throw new Error('the validator returned no object')
  if ('value' in result) return result.value
  if (!('error' in result) || !(result.error instanceof ApiError)) throw new Error('the validator returned no error')
  return result.error
}
const fields = (schema: TSchema, input: unknown, httpPart?: string): unknown => {
  const error = validate(schema, input, httpPart)
  if (!(error instanceof ApiError)) throw new Error('the input is valid')
  t.equal(error.apiCode, 'invalid_request')
  return error.extra.errors?.map(({ field, message }) => `${field}: ${message}`)
}

t.test('valid input is returned unchanged', async t => {
  const body = {
    phoneNumber: '+14155550100',
    workflow: ['otpless.otp', { method: 'truid.phone_check', timeoutSeconds: 60, options: { version: 'v0.2' } }],
  }
  t.equal(validate(CreateBody, body), body)
})

t.test('errors name the field and not the value', async t => {
  for (const [body, expected] of [
    [null, [': must be an object']],
    [[], [': must be an object']],
    [{ phoneNumber: 4155550100 }, ['phoneNumber: must be a string']],
    [{ phoneNumber: ['+14155550100'] }, ['phoneNumber: must be a string']],
    [{ expiresInSeconds: '60' }, ['expiresInSeconds: must be an integer']],
    [{ expiresInSeconds: 60.5 }, ['expiresInSeconds: must be an integer']],
    [{ expiresInSeconds: 29 }, ['expiresInSeconds: must be >= 30']],
    [{ onConflict: 'steal' }, ['onConflict: must be one of error, replace']],
    [{ locale: 'no such thing' }, ['locale: has an invalid format']],
    [{ unknown: 1, other: 2 }, ['unknown: is not allowed here', 'other: is not allowed here']],
    [{ '+14155550100': 1 }, ['*: is not allowed here']],
    [{ metadata: { a: 1 } }, ['metadata/a: must be a string']],
    [{ device: { ip: 'x' } }, ['device/ip: has an invalid format']],
  ] as const) t.same(fields(CreateBody, body), expected, JSON.stringify(body))
})

t.test('errors of a union are those of the closest branch, for each item', async t => {
  for (const [workflow, expected] of [
    [[{ metod: 'otpless.otp' }], ['workflow/0/method: is required', 'workflow/0/metod: is not allowed here']],
    [['otpless.otp', { method: 5 }], ['workflow/1/method: must be a string']],
    [['OTP', {
      method: 'otpless.otp', timeoutSeconds: 0,
    }], [
      'workflow/0: must be the name of a method, such as otpless.otp: `GET /providers` lists them',
      'workflow/1/timeoutSeconds: must be >= 1',
    ]],
    [[5], ['workflow/0: must be a string']],
    [[], ['workflow: must not have fewer than 1 items']],
    [[{ method: 'otpless.otp', options: { a: { b: 1 } } }], ['workflow/0/options/a: must be a string']],
  ] as const) t.same(fields(CreateBody, { workflow }), expected, JSON.stringify(workflow))
  for (const [body, expected] of [
    [{ code: 123456 }, ['code: must be a string']],
    [{ code: '' }, ['code: must not have fewer than 1 characters']],
    [{ code: '1', token: '2' }, ['token: is not allowed here']],
    [{ authorizationCode: '1' }, ['codeVerifier: is required']],
    [{ payload: '1' }, ['signature: is required', 'signatureAlgorithm: is required']],
    [{ otp: '1' }, ['otp: is not allowed here']],
    ['123456', [': must be an object']],
  ] as const) t.same(fields(CheckBody, body), expected, JSON.stringify(body))
})

t.test('only a query string has its integers converted', async t => {
  const schema = Type.Object(
    { wait: Type.Optional(Type.Integer()), name: Type.Optional(Type.String()) }, { additionalProperties: false },
  )
  t.same(validate(schema, { wait: '30', name: '30' }, 'querystring'), { wait: 30, name: '30' })
  for (const wait of ['', '-1', '+1', '1.5', '1e3', '0x10', ' 1', '01', '9'.repeat(30), 'true', ['1', '2']]) {
    t.same(fields(schema, { wait }, 'querystring'), ['wait: must be an integer'], String(wait))
  }
  t.same(fields(schema, { wait: '30' }), ['wait: must be an integer'], 'a body is not converted')
  t.same(fields(schema, '', 'querystring'), [': must be an object'])
  t.equal(validate(Type.Unknown(), 'anything', 'querystring'), 'anything')
})

t.test('the number of errors is limited', async t => {
  const many = fields(CreateBody, Object.fromEntries(Array.from({ length: 5000 }, (_, index) => [`field${index}`, 1])))
  t.equal(Array.isArray(many) && many.length, 20)
})

t.test('an error without a field has a detail', async t => {
  t.equal(invalidRequest([]).message, 'The request is not valid.')
  t.equal(invalidRequest([{ field: 'limit', message: 'is wrong' }]).message, '`limit` is wrong.')
})
