import t from 'tap'
import { ApiError, apiErrors, isCodeIncorrect, ProviderError } from '../../src/core/errors.ts'

t.test('the codes of the API and their statuses, which apps rely on', async t => {
  t.strictSame(Object.fromEntries(Object.entries(apiErrors).map(([code, { status }]) => [code, status])), {
    invalid_request: 400, unauthenticated: 401, forbidden: 403, not_found: 404, method_not_allowed: 405,
    invalid_state: 409, verification_in_progress: 409, idempotency_in_progress: 409, gone: 410,
    payload_too_large: 413, unsupported_media_type: 415,
    invalid_phone_number: 422, method_unavailable: 422, no_eligible_method: 422, idempotency_key_reused: 422,
    code_incorrect: 422, country_not_allowed: 422, number_type_not_allowed: 422,
    rate_limited: 429, internal_error: 500, overloaded: 503, provider_unavailable: 503, store_unavailable: 503,
  })
})

t.test('a provider\'s error says where, what and with which status', async t => {
  t.equal(new ProviderError('acme', 'check code', 'provider_error', { status: 503 }).message,
    'acme check code: provider_error (status 503)')
  t.equal(new ProviderError('acme', 'check code', 'provider_timeout').message, 'acme check code: provider_timeout')
  t.match(new ProviderError('acme', 'check code', 'provider_timeout'), { status: null, retryable: false })
})

t.test('a wrong code is told from other errors', async t => {
  t.ok(isCodeIncorrect(new ApiError('code_incorrect', 'No.')))
  t.notOk(isCodeIncorrect(new ApiError('rate_limited', 'No.')))
  t.notOk(isCodeIncorrect(new Error('code_incorrect')))
})
