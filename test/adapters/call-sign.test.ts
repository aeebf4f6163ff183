import t from 'tap'
import { signOfAnswer, signOfError } from '../../src/adapters/call-sign.ts'
import { ProviderError } from '../../src/core/errors.ts'
import type { Reason } from '../../src/core/reasons.ts'
import type { ProviderCall } from '../../src/core/vocabulary.ts'

const error = (reason: Reason, status: number | null) => new ProviderError('acme', 'call', reason, { status })
type Row = [reason: Reason, status: number | null, start: string, resolve: string]

t.test('what an error says about the provider, for a start and for evidence', async t => {
  const rows: Row[] = [
    ['provider_timeout', null, 'failed', 'failed'],
    ['provider_error', 500, 'failed', 'failed'],
    ['provider_error', 503, 'failed', 'failed'],
    // An error code inside a 200.
    ['provider_error', 200, 'failed', 'failed'],
    ['rate_limited_by_provider', 429, 'failed', 'failed'],
    // An answer that cannot be read has no status.
    ['provider_bad_response', null, 'failed', 'failed'],
    ['provider_bad_response', 302, 'failed', 'none'],
    // JSON without the member that is needed: the user's profile may be odd.
    ['provider_bad_response', 200, 'failed', 'none'],
    ['provider_bad_response', 400, 'none', 'none'],
    ['provider_bad_response', 422, 'none', 'none'],
    ['provider_bad_response', 403, 'failed', 'none'],
    ['provider_bad_response', 404, 'failed', 'none'],
    ['provider_error', 409, 'failed', 'none'],
    ['provider_misconfigured', 401, 'misconfigured', 'misconfigured'],
    ['provider_misconfigured', 402, 'misconfigured', 'misconfigured'],
    ['provider_misconfigured', 403, 'misconfigured', 'none'],
    ['provider_misconfigured', 404, 'misconfigured', 'none'],
    ['number_not_registered', 403, 'ok', 'ok'],
    ['carrier_unsupported', 400, 'ok', 'ok'],
    ['evidence_invalid', 404, 'none', 'none'],
  ]
  for (const [reason, status, start, resolve] of rows) {
    const wanted: [ProviderCall['call'], string][] = [
      ['start', start], ['resend', start], ['cancel', start], ['resolve', resolve],
    ]
    for (const [call, sign] of wanted) {
      t.equal(signOfError(error(reason, status), call), sign, `${reason} ${status} ${call}`)
    }
  }
  const ofCarrier = new ProviderError('acme', 'call', 'provider_timeout', { isCarrierFault: true })
  t.equal(signOfError(ofCarrier, 'start'), 'none')
  t.equal(signOfError(new TypeError('a fault of this program'), 'start'), 'none')
})

t.test('what an answer says', async t => {
  t.equal(signOfAnswer({ reason: null }), 'ok')
  for (const reason of ['number_mismatch', 'user_rejected'] as const) t.equal(signOfAnswer({ reason }), 'ok')
  for (const reason of ['evidence_invalid', 'evidence_expired'] as const) t.equal(signOfAnswer({ reason }), 'none')
})
