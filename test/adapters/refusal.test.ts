import t from 'tap'
import { deny, refusal } from '../../src/adapters/refusal.ts'
import { ProviderError } from '../../src/core/errors.ts'

const answer = (status: number, body: unknown = {}) => ({ status, body })

t.test('an error says which answer it is about, and whether the same request may be made again', async t => {
  t.match(refusal('acme', 'check code', 'provider_bad_response', answer(400)), {
    provider: 'acme', reason: 'provider_bad_response', status: 400, retryable: false, isCarrierFault: false,
  })
  t.match(refusal('acme', 'check code', 'rate_limited_by_provider', answer(429)), { retryable: true })
  t.match(refusal('acme', 'check code', 'provider_timeout', answer(404), { retryable: true }), { retryable: true })
})

t.test('no status: no request was sent, or a good answer cannot be read', async t => {
  const statusOf = (given?: { status: number, body: unknown }) =>
    refusal('acme', 'check code', 'provider_bad_response', given).status
  t.equal(statusOf(), null)
  t.equal(statusOf({ status: 200, body: undefined }), null)
  t.equal(statusOf(answer(200)), 200)
  t.equal(statusOf({ status: 404, body: undefined }), 404, 'it may be about the evidence of a user, whatever its body')
})

t.test('a reason that is the provider\'s fault is thrown; any other is the outcome, with what was said', async t => {
  const vendor = { status: 400, code: 'x', text: null }
  const said = { ...answer(400), describe: () => vendor }
  t.strictSame(
    deny('acme', 'check code', 'number_mismatch', said), { verdict: 'denied', reason: 'number_mismatch', vendor },
  )
  t.match(deny('acme', 'check code', 'evidence_expired'), { vendor: null })
  const fault = () => deny('acme', 'check code', 'provider_error', said, { isCarrierFault: true })
  t.throws(fault, new ProviderError('acme', 'check code', 'provider_error', {
    status: 400, isCarrierFault: true, vendor,
  }))
})
