import t from 'tap'
import { vonage } from '../../../src/adapters/vonage/index.ts'
import type { Received, Refused } from '../../../src/adapters/adapter.ts'
import { contract, type Answer, type Contract, type Ending } from '../../../src/conformance/index.ts'
import {
  answerWell, checkUrlAt, code, event, finalizedAt, isCancel, isCheck, isCreate, phoneNumber, problem, requestId,
  secrets, settings, sign,
} from './documented.ts'

const denied = (reason: string) => ({ verdict: 'denied', reason }) as Partial<Ending>
const failed = (reason: string) => ({ failed: reason, retryable: false })
const answer = (answer: Answer) => () => answer
const about = { providerId: requestId }
const noted = { ...about, type: 'noted' } as const
const refused = (cause: Refused['cause']): Refused => ({ type: 'refused', cause })
const undelivered = (channel: string): Received =>
  ({ ...about, type: 'delivery', delivery: { status: 'failed', channel, at: finalizedAt } })
const secondsFromNow = (seconds: number): number => Math.floor(Date.now() / 1000) + seconds

const summary = {
  request_id: requestId, submitted_at: '2026-01-01T14:00:00.000Z', status: 'failed', type: 'summary',
  channel_timeout: 300, workflow: [{ channel: 'sms', initiated_at: '2026-01-01T14:00:00.000Z', status: 'failed' }],
}
const lost = event('sms', 'failed')
const callbacks: Contract['callbacks'] = [
  { callback: sign(lost), received: undelivered('sms') },
  { callback: sign(event('whatsapp', 'failed')), received: undelivered('whatsapp') },
  { callback: sign(event('voice', 'failed')), received: undelivered('voice_call') },
  { callback: sign(event('email', 'failed')), received: noted },
  {
    callback: sign(event('silent_auth', 'failed')), received: { ...about, type: 'denied', reason: 'evidence_invalid' },
  },
  {
    callback: sign(event('silent_auth', 'user_rejected')),
    received: { ...about, type: 'denied', reason: 'number_mismatch' },
  },
  {
    callback: sign(event('sms', 'user_rejected')), received: { ...about, type: 'denied', reason: 'user_rejected' },
  },
  { callback: sign(event('sms', 'rejected')), received: { ...about, type: 'denied', reason: 'user_rejected' } },
  { callback: sign(event('sms', 'blocked')), received: { ...about, type: 'denied', reason: 'carrier_unsupported' } },
  { callback: sign(event('sms', 'completed')), received: noted },
  { callback: sign(event('sms', 'expired')), received: noted },
  {
    callback: sign(event('silent_auth', 'action_pending', { action: { type: 'check', check_url: 'https://a.b' } })),
    received: noted,
  },
  { callback: sign(summary), received: noted },
  { callback: sign({ ...event('sms', 'failed'), request_id: undefined }), received: null },
  { callback: sign(lost, { key: 'another secret' }), received: refused('signature_invalid') },
  { callback: sign(lost, { header: { alg: 'none' } }), received: refused('signature_invalid') },
  { callback: { ...sign(lost), headers: {} }, received: refused('signature_missing') },
  { callback: sign(lost, { claims: { iat: secondsFromNow(-400) } }), received: refused('date_skewed') },
  { callback: sign(lost, { claims: { iat: secondsFromNow(400) } }), received: refused('date_skewed') },
  { callback: sign(lost, { claims: { exp: secondsFromNow(-90) } }), received: refused('date_skewed') },
  { callback: sign(lost, { claims: { iat: undefined } }), received: refused('date_skewed') },
  { callback: sign(lost, { claims: { payload_hash: undefined } }), received: refused('digest_mismatch') },
  { callback: sign(lost, { claims: { payload_hash: 'a'.repeat(64) } }), received: refused('digest_mismatch') },
]

const configured = (status: number) => [401, 402, 403].includes(status) ? failed('provider_misconfigured') : null
const common = {
  provider: vonage, settings, secrets, vendor: answerWell, singleUse: null, sign, cancel: isCancel,
} satisfies Partial<Contract>

/** Answers to a code that mean the same for every method. */
const judged: Contract['bad'] = [
  {
    name: 'unknown, completed before, or over', vendor: answer(problem(404, 'request-not-found')),
    ends: denied('evidence_expired'),
  },
  {
    name: 'the same, when the first answer was lost', repeated: true, vendor: answer(problem(404, 'request-not-found')),
    ends: failed('provider_timeout'),
  },
  { name: 'the step takes no code', vendor: answer(problem(409, 'no-code')), ends: denied('evidence_invalid') },
  {
    name: 'not at this moment', vendor: answer(problem(409, 'conflict')),
    ends: { verdict: 'pending', retryAfterMs: 1000 },
  },
  {
    name: 'low balance', vendor: answer(problem(402, 'low-balance')), ends: failed('provider_misconfigured'),
  },
  {
    name: 'JWT expired, with `details` for `detail`',
    vendor: answer(problem(401, 'jwt-expired', { detail: undefined, details: 'The JWT provided has expired.' })),
    ends: failed('provider_misconfigured'),
  },
  {
    name: 'another request', vendor: answer({ body: { request_id: 'other', status: 'completed' } }),
    ends: failed('provider_bad_response'),
  },
  {
    name: 'another status', vendor: answer({ body: { request_id: requestId, status: 'pending' } }),
    ends: failed('provider_bad_response'),
  },
  { name: 'no status', vendor: answer({ body: { request_id: requestId } }), ends: failed('provider_bad_response') },
  { name: 'no evidence', evidence: {}, ends: denied('evidence_invalid') },
]

const creation: Contract['refusals'][number] = {
  call: isCreate,
  phase: 'start',
  ends: status => {
    const reason = { 409: 'recently_tried', 412: 'carrier_unsupported' }[status]
    return reason === undefined ? configured(status) : failed(reason)
  },
}

t.test('vonage.silent_auth', t => contract(t, {
  ...common,
  method: 'vonage.silent_auth',
  callbacks,
  attempt: { phoneNumber, redirectUrl: 'https://verify.example/callbacks/vonage/key', redirectKey: 'key' },
  action: vendor => ({ type: 'openUrlOnCellular', url: checkUrlAt(vendor), finish: 'code' }),
  good: { evidence: { code }, proven: { phoneNumber } },
  assurance: { possession: 'sim', binding: 'session', restricted: false },
  bad: [
    ...judged,
    { name: 'wrong: there is one try', vendor: answer(problem(400, 'invalid-code')), ends: denied('evidence_invalid') },
    { name: 'too often', vendor: answer(problem(410, 'expired')), ends: denied('evidence_invalid') },
    { name: 'another form', evidence: { code: '../templates' }, ends: denied('evidence_invalid') },
  ],
  refusals: [creation, {
    call: isCheck,
    phase: 'resolve',
    ends: status => {
      if (status === 404) return denied('evidence_expired')
      return [400, 409, 410].includes(status) ? denied('evidence_invalid') : configured(status)
    },
  }],
  isBoundByPath: true,
  returns: [{ query: {}, returned: { isInFragment: true } }],
}))

const typed: [method: string, shown: string, isRestricted: boolean][] = [
  ['vonage.sms', 'SMS', true], ['vonage.whatsapp', 'WHATSAPP', false], ['vonage.voice', 'VOICE_CALL', true],
]
for (const [method, shown, restricted] of typed) {
  t.test(method, t => contract(t, {
    ...common,
    method,
    // Webhooks are read without a look at the method.
    callbacks: callbacks.slice(0, 1),
    attempt: { phoneNumber },
    action: () => ({ type: 'submitCode', length: 6, channels: [shown] }),
    good: { evidence: { code: '012345' }, proven: { phoneNumber } },
    assurance: { possession: 'message', binding: 'session', restricted },
    bad: [
      ...judged,
      { name: 'wrong', vendor: answer(problem(400, 'invalid-code')), ends: { verdict: 'incorrect' } },
      { name: 'wrong, in a 200', vendor: answer(problem(200, 'invalid-code')), ends: { verdict: 'incorrect' } },
      { name: 'three times', vendor: answer(problem(410, 'expired')), ends: denied('code_attempts_exhausted') },
      { name: 'another form', evidence: { code: '12' }, ends: { verdict: 'incorrect' } },
    ],
    refusals: [creation, {
      call: isCheck,
      phase: 'resolve',
      ends: status => {
        if (status === 400) return { verdict: 'incorrect' }
        const reason = { 404: 'evidence_expired', 409: 'evidence_invalid', 410: 'code_attempts_exhausted' }[status]
        return reason === undefined ? configured(status) : denied(reason)
      },
    }],
  }))
}
