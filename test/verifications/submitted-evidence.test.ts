import fc from 'fast-check'
import t from 'tap'
import { ApiError } from '../../src/core/errors.ts'
import {
  identityOf, readSubmitted, readTypedCode, type SubmittedEvidence,
} from '../../src/verifications/submitted-evidence.ts'

const typed = (code: string): string => readTypedCode(readSubmitted({ code })).code
const refusal = (read: () => unknown) => {
  try {
    read()
    return null
  } catch (error) {
    if (!(error instanceof ApiError)) throw error
    return { code: error.apiCode, errors: error.extra.errors }
  }
}

t.test('a code is the same however it is typed', async t => {
  for (const text of [
    '550100', '550 100', ' 5 5 0 1 0 0 ', '550-100', '550\u2013100', '550\u2014100', '550\u2212100', '550\uff0d100',
    '550100\n', '\r\n550100\r\n', '550\t100', '550\u00a0100', '550\u202f100', '550\u3000100', '\u200e550100\u200f',
    '\u202a550100\u202c', '\u2068550100\u2069', '\u061c550100', '550\u200b100', '\ufeff550100', '550\u00ad100',
    '٥٥٠١٠٠', '۵۵۰۱۰۰', '५५०१००', '৫৫০১০০', '５５０１００', '𝟱𝟱𝟬𝟭𝟬𝟬', '𝟻𝟻𝟶𝟷𝟶𝟶', '٥٥٠-۱०０',
  ]) t.equal(typed(text), '550100', JSON.stringify(text))
  t.equal(typed('012345'), '012345', 'a leading zero stays')
  t.equal(typed('55o1oo'), '55o1oo', 'letters stay: the provider judges them')
})

t.test('the digits of every numbering system of this machine are accepted', async t => {
  const systems = Intl.supportedValuesOf('numberingSystem').flatMap(numberingSystem => {
    const format = new Intl.NumberFormat('en', { numberingSystem, useGrouping: false, minimumIntegerDigits: 10 })
    const digits = [...format.format(123456789)]
    return digits.length === 10 && digits.every(digit => /\p{Nd}/u.test(digit)) ? [{ numberingSystem, digits }] : []
  })
  t.ok(systems.length > 40)
  for (const { numberingSystem, digits } of systems) t.equal(typed(digits.join('')), '0123456789', numberingSystem)
})

t.test('what cannot be a code is refused, and names its field', async t => {
  for (const code of ['abc', '-', '\u200e', '- -', '²', 'Ⅷ', '五']) {
    t.strictSame(refusal(() => typed(code)), {
      code: 'invalid_request', errors: [{ field: 'code', message: 'must contain a digit' }],
    }, code)
  }
  t.match(refusal(() => typed('1'.repeat(65))), { code: 'invalid_request', errors: [{ field: 'code' }] })
  t.equal(typed('1'.repeat(64)), '1'.repeat(64))
})

t.test('white space around evidence is removed, and evidence of white space is refused', async t => {
  const cases: [SubmittedEvidence, unknown][] = [
    [{ code: ' a b-c\n' }, { kind: 'code', value: { code: 'a b-c' } }],
    [{ token: '\r\n\ufefft0ken\u00a0\n' }, { kind: 'token', value: { token: 't0ken' } }],
    [{ authorizationCode: 'a\n', codeVerifier: '\tb' }, {
      kind: 'authorizationCode', value: { authorizationCode: 'a', codeVerifier: 'b' },
    }],
    [{ payload: 'p\n', signature: 's\n', signatureAlgorithm: ' a' }, {
      kind: 'payload', value: { payload: 'p\n', signature: 's', signatureAlgorithm: 'a' },
    }],
    [{}, { kind: 'none', value: {} }],
  ]
  for (const [submitted, read] of cases) t.strictSame(readSubmitted(submitted), read)
  for (const submitted of [
    { code: ' ' }, { token: '\n' }, {
      authorizationCode: 'a', codeVerifier: ' ',
    }, { authorizationCode: ' ', codeVerifier: 'b' },
  ]) t.equal(refusal(() => readSubmitted(submitted))?.code, 'invalid_request', JSON.stringify(submitted))
})

t.test('the identity of evidence ignores how a code was typed, and nothing else', async t => {
  const identity = (submitted: SubmittedEvidence): string => identityOf(readSubmitted(submitted))
  t.equal(identity({ code: '٥٥٠ ١٠٠' }), identity({ code: '550100' }))
  const digits = fc.string({ unit: fc.constantFrom(...'0123456789'), minLength: 1, maxLength: 12 })
  fc.assert(
    fc.property(
      digits, digits, (one, other) => (identity({ code: one }) === identity({ code: other })) === (one === other),
    ),
  )
  const all = [
    { code: '1' }, { token: '1' }, { token: '1-1' }, { token: '11' }, {}, { authorizationCode: '1', codeVerifier: '1' },
  ].map(identity)
  t.equal(new Set(all).size, all.length)
})
