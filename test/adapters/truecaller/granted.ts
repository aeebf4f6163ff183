import type { Call, Contract } from '../../../src/conformance/index.ts'
import { invalid, tooLate } from './vendor.ts'

/** What the tests of push and web share: both end with an access token, which reads a profile. */

export const accessToken = 'a1asX--8_yw-OF--E6Gj_DPyKelJIGUUeYB9U9MJhyeu4hOCbrl'
export const assurance = { possession: 'account', binding: 'none', restricted: false } as const
export const isProfile = ({ path }: Call) => path === '/v1/default'
export const bad: Contract['bad'] = [
  {
    name: 'expired token', vendor: () => ({ status: 401, body: { status: 40101, message: 'Unauthorized' } }),
    ends: tooLate,
  },
  {
    name: 'expired, in a 200', vendor: () => ({ body: { status: 40101, phoneNumbers: [46760123456] } }), ends: tooLate,
  },
  {
    name: 'forbidden', vendor: () => ({ status: 403, body: { phoneNumbers: [919999999999] } }), ends: invalid,
  },
  {
    name: 'an outage, in a 200', vendor: () => ({ body: { code: 500, message: 'error message' } }),
    ends: { failed: 'provider_error', retryable: true },
  },
  { name: 'no evidence of a number', vendor: () => ({ body: {} }), ends: { failed: 'provider_bad_response' } },
  { name: 'no number', vendor: () => ({ body: { phoneNumbers: [] } }), ends: { failed: 'provider_bad_response' } },
  { name: 'no evidence', evidence: {}, ends: invalid },
  {
    name: 'an endpoint of another host', evidence: { accessToken, endpoint: 'http://127.0.0.1:1/v1/default' },
    ends: invalid,
  },
  { name: 'a token that is no header', evidence: { accessToken: 'a\r\nb' }, ends: invalid },
]
export const refusedToken = (status: number) =>
  status === 401 ? tooLate : [400, 403, 404, 410, 422].includes(status) ? invalid : null
