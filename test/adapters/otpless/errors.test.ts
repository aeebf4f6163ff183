import t from 'tap'
import { isOfCarrier, readError, readErrorCode, readEvidenceError } from '../../../src/adapters/otpless/errors.ts'
import { readInitiated } from '../../../src/adapters/otpless/wire.ts'
import { reasons } from '../../../src/core/reasons.ts'

t.test('every documented error code has a reason', async t => {
  const reasons = {
    provider_misconfigured: [7002, 7011, 7012, 7019, 7121, 7123, 7124, 7158],
    carrier_unsupported: [7025, 7035, 7102, 7103],
    user_rejected: [7042],
    evidence_expired: [7301, 7172, 7302, 7303, 7304],
    evidence_invalid: [7038, 7415, 7112, 7114, 7115, 7116, 7118, 7119, 7136, 7169, 7170, 7414, 7168],
    rate_limited_by_provider: [7020, 7022, 7023, 7024, 7036, 7037, 7040, 7041, 7417],
    provider_bad_response: [7101, 7104, 7105, 7106, 7113],
    provider_error: [7160, 7128, 7130, 5404],
    not_on_cellular: [7129],
  }
  for (const [reason, codes] of Object.entries(reasons)) {
    for (const code of codes) {
      const start = reason.startsWith('evidence_') ? 'provider_bad_response' : reason
      for (const status of [200, 400, 401, 404]) {
        t.equal(readError(status, { errorCode: String(code) }), reason, `${code} in a ${status}`)
        t.equal(readError(status, { errorCode: code }), reason)
        t.equal(readError(status, { error: { errorCode: code } }), reason)
        t.equal(readEvidenceError(status, { errorCode: code }), reason)
        t.equal(readInitiated(status, { requestId: 'r1', errorCode: code }), start)
      }
    }
  }
  const others = [undefined, null, {}, [], { message: 'token is expired' }, { errorCode: '' }, { errorCode: null }]
  for (const other of others) {
    t.equal(readError(200, other), null, JSON.stringify(other))
    t.equal(readError(400, other), 'provider_bad_response')
    t.equal(readEvidenceError(400, other), 'evidence_invalid', 'documented with a message only')
    t.equal(readEvidenceError(404, other), 'provider_bad_response')
    for (const read of [readError, readEvidenceError, readInitiated]) {
      t.equal(read(401, other), 'provider_misconfigured')
    }
  }
  for (const errorCode of ['constructor', 7999, 'InvalidRequest', {}, true, ['7118'], 'x'.repeat(300), 'SPx', 'SP']) {
    for (const status of [200, 400, 401]) t.equal(readError(status, { errorCode }), 'provider_bad_response')
  }
  t.equal(
    readError(401, { message: 'Expired', errorCode: '7301', description: 'Request error: Token is expired' }),
    'evidence_expired',
  )
})

t.test('only one code of a silent check says that the number is another one', async t => {
  const failed = (errorCode: string) => ({ status: 'FAILED', error: { errorCode, message: 'No', description: 'No' } })
  const read = (number: number) => readError(200, failed(`SP${number}`))
  const numbers = [30002, ...Array.from({ length: 31 }, (_, at) => 40003 + at), 40099, 50001, 99999]
  t.strictSame(numbers.filter(number => read(number) === 'number_mismatch'), [40011])
  const others = numbers.filter(number => number !== 40011).map(number => read(number))
  t.ok(others.every(reason => reason !== null && reasons[reason].fallsThrough), 'all others continue')
  t.notOk(others.includes('provider_misconfigured'), 'none stops the provider')
  t.strictSame([40004, 40005, 40006, 40007, 40009, 40012, 40014, 40015, 40010, 50001].map(read), [
    'carrier_unsupported', 'carrier_unsupported', 'carrier_unsupported', 'not_on_cellular', 'not_on_cellular',
    'evidence_expired', 'provider_timeout', 'not_on_cellular', 'provider_error', 'provider_error',
  ])
})

t.test('the fault of one carrier or device is told from that of OTPLESS', async t => {
  const carriers = [
    { status: 'FAILED', error: { errorCode: 'SP40010' } }, { status: 'FAILED', error: { errorCode: 'SP40033' } },
    { errorCode: 'SP30002' }, { errorCode: '7160' }, { errorCode: 7128 }, { status: 'FAILED' },
    { status: 'FAILED', error: null },
  ]
  for (const body of carriers) t.ok(isOfCarrier(body), JSON.stringify(body))
  const others = [
    null, {}, { status: 'SUCCESS' }, { status: 'FAILED', error: { errorCode: 'SP50001' } }, { errorCode: 'SP99999' },
    { status: 'FAILED', errorCode: '7002' }, { errorCode: '7101' },
  ]
  for (const body of others) t.notOk(isOfCarrier(body), JSON.stringify(body))
})

t.test('a code is found wherever it is', async t => {
  t.equal(readErrorCode({ errorCode: '7118' }), '7118')
  t.equal(readErrorCode({ error: { errorCode: 7118 } }), '7118')
  t.equal(readErrorCode({ errorCode: null, error: { errorCode: 'SP40007' } }), 'SP40007')
  t.equal(readErrorCode({ errorCode: {} }), 'unknown')
  for (const body of [null, {}, { error: null }, { errorCode: '' }, { error: 'no' }]) t.equal(readErrorCode(body), null)
})
