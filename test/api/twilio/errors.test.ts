import t from 'tap'
import { readTwilioError, TwilioError, twilioErrors, viewTwilioError } from '../../../src/api/twilio/errors.ts'
import { ApiError, apiErrors, type ApiErrorCode, type RefusalCause } from '../../../src/core/errors.ts'

const read = (code: ApiErrorCode, extra: ConstructorParameters<typeof ApiError>[2] = {}) =>
  viewTwilioError(readTwilioError(new ApiError(code, 'Why.', extra)))
const limited = (cause: RefusalCause) => read('rate_limited', { refusal: { cause } }).code

t.test('every error has Twilio\'s form', async t => {
  for (const code of Object.keys(apiErrors) as ApiErrorCode[]) {
    const { code: shown, message, more_info, status } = read(code)
    t.ok(shown > 20_000 && status >= 400 && message !== '', code)
    t.equal(more_info, `https://www.twilio.com/docs/errors/${shown}`)
  }
})

t.test('the known codes', async t => {
  t.match(read('unauthenticated'), { code: 20003, status: 401 })
  t.match(read('gone'), { code: 20404, status: 404 })
  t.match(read('country_not_allowed'), { code: 60605, status: 403 })
  t.match(read('verification_in_progress'), { code: 20409, status: 409, message: 'Why.' })
  t.match(read('store_unavailable'), { code: 20503, status: 503 })
  t.match(read('unsupported_media_type'), { code: 20415, message: /x-www-form-urlencoded/ })
  t.match(read('invalid_request', { errors: [{ field: '', message: 'x' }] }), { message: 'Invalid parameter: Why.' })
  const field = (name: string) => read('invalid_request', { errors: [{ field: name, message: 'is wrong' }] })
  t.match(field('phoneNumber'), { code: 60200, message: 'Invalid parameter: To is wrong' })
  t.match(field('Channel'), { code: 60200, message: 'Invalid parameter: Channel is wrong' })
  t.match(field('CustomCode'), { code: 60204, status: 403, message: /: CustomCode has no counterpart/ })
  t.match(['message_limit', 'number_limit', 'code_limit', 'unverified_budget', 'ip_limit'].map(
    cause => limited(cause as RefusalCause),
  ), [60203, 60203, 60202, 60410, 20429])
  const own = new TwilioError(twilioErrors.maxSends)
  t.equal(readTwilioError(own), own)
})
