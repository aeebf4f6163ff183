import t from 'tap'
import type { TSchema } from 'typebox'
import { Compile } from 'typebox/compile'
import { apiErrors } from '../../../src/core/errors.ts'
import { nextReasons, reasonWords } from '../../../src/core/reasons.ts'
import * as schemas from '../../../src/api/schemas/requests.ts'
import { Problem } from '../../../src/api/schemas/responses.ts'
import { VerificationView } from '../../../src/api/schemas/verification.ts'

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null
const visit = (
  schema: unknown, path: string, visitSchema: (schema: Record<string, unknown>, path: string) => void,
): void => {
  if (!isObject(schema)) return
  visitSchema(schema, path)
  for (
    const [name, member] of Object.entries(schema)
  ) if (name !== 'examples') visit(member, `${path}/${name}`, visitSchema)
}
const accepts = (schema: TSchema, value: unknown): boolean => Compile(schema).Check(value)

t.test('requests are closed and bounded', async t => {
  const { CreateBody, CheckBody, NextBody, EmptyBody, GetQuery, ListQuery } = schemas
  const offenders: string[] = []
  let count = 0
  for (const [name, root] of Object.entries({ CreateBody, CheckBody, NextBody, EmptyBody, GetQuery, ListQuery })) {
    visit(root, name, (schema, path) => {
      const { type, pattern } = schema
      const isLimited = type === 'object'
        ? schema['additionalProperties'] === false || typeof schema['maxProperties'] === 'number'
        : type === 'array'
          ? typeof schema['maxItems'] === 'number'
          : type !== 'string' || 'enum' in schema || 'maxLength' in schema || /\{\d+,\d+\}\$$/.test(String(pattern))
      count += 1
      if (!isLimited) offenders.push(path)
    })
  }
  t.ok(count > 50, `${count} schemas`)
  t.same(offenders, [])
})

t.test('fields have limits', async t => {
  const { CreateBody, CheckBody, CreateHeaders, NextBody } = schemas
  const text = (length: number): string => 'x'.repeat(length)
  const pairs = (count: number): object =>
    Object.fromEntries(Array.from({ length: count }, (_, index) => [`key${index}`, 'value']))
  for (const [limit, schema, inside, outside] of [
    ['reference', CreateBody, { reference: text(255) }, { reference: text(256) }],
    ['an empty reference', CreateBody, { reference: ' ' }, { reference: '' }],
    ['pairs', CreateBody, { metadata: pairs(20) }, { metadata: pairs(21) }],
    ['key', CreateBody, { metadata: { [text(40)]: '' } }, { metadata: { [text(41)]: '' } }],
    ['empty key', CreateBody, { metadata: {} }, { metadata: { '': 'x' } }],
    ['value', CreateBody, { metadata: { a: text(500) } }, { metadata: { a: text(501) } }],
    [
      'value in characters, not in units', CreateBody, { metadata: { a: '😀'.repeat(500) } },
      { metadata: { a: '😀'.repeat(501) } },
    ],
    ['lines in a value', CreateBody, { metadata: { a: 'a\nb' } }, { metadata: { a: 'a\u0000b' } }],
    ['no lines in a reference', CreateBody, { reference: 'a b' }, { reference: 'a\nb' }],
    ['life, at least', CreateBody, { expiresInSeconds: 30 }, { expiresInSeconds: 29 }],
    ['life, at most', CreateBody, { expiresInSeconds: 86_400 }, { expiresInSeconds: 86_401 }],
    ['timeout, at least', CreateBody, {
      workflow: [{ method: 'a.b', timeoutSeconds: 1 }],
    }, { workflow: [{ method: 'a.b', timeoutSeconds: 0 }] }],
    ['timeout, at most', CreateBody, {
      workflow: [{ method: 'a.b', timeoutSeconds: 3600 }],
    }, { workflow: [{ method: 'a.b', timeoutSeconds: 3601 }] }],
    ['steps', CreateBody, { workflow: Array(10).fill('a.b') }, { workflow: Array(11).fill('a.b') }],
    ['depth of options', CreateBody, { workflow: [{ method: 'a.b', options: { a: ['b'] } }] }, {
      workflow: [{ method: 'a.b', options: { a: [['b']] } }],
    }],
    ['return URL', CreateBody, { returnUrl: 'myapp://done' }, { returnUrl: '/done' }],
    [
      'return URL without blanks', CreateBody, { returnUrl: 'https://a.example/?b=%20' },
      { returnUrl: 'https://a.example/ b' },
    ],
    ['locale', CreateBody, { locale: 'zh-Hant-TW' }, { locale: '../../etc' }],
    ['address', CreateBody, { device: { ip: '2001:db8::1' } }, { device: { ip: 'localhost' } }],
    ['code', CheckBody, { code: text(2048) }, { code: text(2049) }],
    ['token', CheckBody, { token: text(4096) }, { token: text(4097) }],
    ['payload', CheckBody, {
      payload: text(16_384), signature: 'a', signatureAlgorithm: 'b',
    }, { payload: text(16_385), signature: 'a', signatureAlgorithm: 'b' }],
    ['payload of several lines', CheckBody, {
      payload: 'YQ==\r\nYg==', signature: 'a', signatureAlgorithm: 'b',
    }, { payload: 'a\u0000', signature: 'a', signatureAlgorithm: 'b' }],
    ['no evidence', CheckBody, {}, []],
    ['idempotency key', CreateHeaders, { 'idempotency-key': text(255) }, { 'idempotency-key': text(256) }],
    ['visible key', CreateHeaders, { 'idempotency-key': '"a!~"', other: 1 }, { 'idempotency-key': 'a b' }],
    ['reason', NextBody, { reason: 'not_on_cellular' }, { reason: 'deadline' }],
  ] as const) {
    t.ok(accepts(schema, inside), `${limit}: inside`)
    t.notOk(accepts(schema, outside), `${limit}: outside`)
  }
})

t.test('enums come from their tables', async t => {
  const text = JSON.stringify([schemas.NextBody, Problem, VerificationView])
  for (const list of [reasonWords, nextReasons, Object.keys(apiErrors)]) t.ok(text.includes(JSON.stringify(list)))
})
