import t from 'tap'
import { readAnnouncement, readWebhook } from '../../../src/adapters/otpless/webhook.ts'

const now = 1_000_000_000_000
const at = 1_734_513_816_000
const receipt = (more: object, timestamp: unknown = at) => ({
  data: {
    requestId: 'unique_request_id', authSessionId: 'unique_auth_session_id', traceId: 'unique_trace_id',
    status: 'DELIVERED', channel: 'SMS', identity: 'identity_value', metaData: {}, ...more,
  },
  eventType: 'DLR', timestamp,
})
const phone = {
  requestId: 'unique_request_id', method: 'SILENT_AUTH', channel: ['SILENT_AUTH'], phoneNumber: 'USER_NUMBER',
  countryCode: 'COUNTRY_CODE',
}
const auth = (status: string, more: object = {}) => ({
  data: {
    authSessionId: 'unique_auth_session_id', traceId: 'unique_trace_id', token: 'unique_token', status,
    authenticationDetails: { phone, email: {} }, ...more,
  },
  eventType: 'AUTH', timestamp: 1734513827,
})
const byId = { providerId: 'unique_request_id' }

t.test('a delivery receipt', async t => {
  const read = (body: unknown) => readWebhook(body, now)
  for (const [word, status] of [
    ['SENT', 'sent'], ['DELIVERED', 'delivered'], ['READ', 'read'], ['CLICKED', 'read'], ['FAILED', 'failed'],
  ] as const) {
    t.strictSame(
      read(receipt({ status: word })), { ...byId, type: 'delivery', delivery: { status, channel: 'sms', at } }, word,
    )
  }
  for (const [word, channel] of [
    ['WHATSAPP', 'whatsapp'], ['VIBER', 'viber'], ['VOICE_CALL', 'voice_call'], ['EMAIL', 'email'],
  ]) t.match(read(receipt({ channel: word })), { delivery: { channel } })
  for (const [time, expected] of [[at / 1000, at], [String(at), at], [null, now], ['soon', now], [undefined, now]]) {
    t.match(read({ ...receipt({}), timestamp: time }), { delivery: { at: expected } }, `timestamp ${time}`)
  }
  for (const more of [{ status: 'QUEUED' }, { status: null }, { channel: 'PIGEON' }, { channel: null }]) {
    t.strictSame(read(receipt(more)), { ...byId, type: 'noted' }, JSON.stringify(more))
  }
})

t.test('the end of a sign-in is only a reason to ask', async t => {
  const ask = { ...byId, type: 'evidence', evidence: { webhook: true, requestId: 'unique_request_id' } }
  for (const status of ['SUCCESS', 'FAILED', 'DECLINE', 'DECLINED', 'EXPIRED']) {
    t.strictSame(readWebhook(auth(status), now), ask, status)
    t.strictSame(readWebhook({ ...auth(status), eventType: 'SNA' }, now), ask)
  }
  for (const status of ['INITIATED', 'FALLBACK', 'NEW']) {
    t.strictSame(readWebhook(auth(status), now), { ...byId, type: 'noted' }, status)
  }
  for (const [how, type] of [
    [{ method: 'VOICE_APPROVAL', channel: ['VOICE_CALL'] }, 'evidence'],
    [{ method: 'OAUTH', channel: ['TRUE_CALLER'] }, 'evidence'], [{ method: null, channel: null }, 'evidence'],
    [{ method: 'OAUTH', channel: ['WHATSAPP'] }, 'noted'], [{ method: 'OAUTH', channel: null }, 'noted'],
    [{ method: 'OTP', channel: ['SMS'] }, 'noted'], [{ method: 'MAGIC_LINK', channel: ['SMS'] }, 'noted'],
    [{ method: 'OTP_LINK', channel: ['WHATSAPP'] }, 'noted'],
  ] as const) {
    for (const authenticationDetails of [{ phone: { ...phone, ...how }, email: {} }, { email: { ...phone, ...how } }]) {
      t.match(readWebhook(auth('SUCCESS', { authenticationDetails }), now), { type }, JSON.stringify(how))
    }
  }
  t.match(readWebhook({ ...auth('SUCCESS'), data: { status: 'SUCCESS', metaData: { verigate: 'key' } } }, now), {
    key: 'key', evidence: { webhook: true, requestId: '' },
  }, 'it need not name the request')
  t.same(readAnnouncement({ webhook: true, requestId: 'r1' }), { webhook: true, requestId: 'r1' })
  for (const other of [null, {}, { webhook: 'true', requestId: 'r1' }, { webhook: true }, { code: '1' }, true]) {
    t.equal(readAnnouncement(other), null)
  }
})

t.test('the attempt is found by our key, or by the request', async t => {
  const read = (more: object) => readWebhook(auth('SUCCESS', more), now)
  const metadata = { verigate: 'key' }
  for (const more of [{ metadata }, { metaData: metadata }, { metadata: null, metaData: metadata }]) {
    t.match(read(more), { key: 'key' }, JSON.stringify(more))
  }
  t.match(read({ metaData: { verigate: null } }), byId)
  t.match(read({ authenticationDetails: { email: phone } }), byId, 'a social login')
  t.match(read({ requestId: 12, authenticationDetails: null }), { providerId: '12' })
  const nobody = { key: '', type: 'noted' }
  for (const body of [
    {}, { data: null }, { data: [] }, { eventType: 'AUTH', data: {} }, {
      status: 'DELIVERED', data: { referenceId: 'r' },
    },
    { token: 'T', mobile: { number: '9' }, notificationType: 'APPROVAL_ACTION' },
  ]) t.strictSame(readWebhook(body, now), nobody, JSON.stringify(body))
  for (const body of [null, undefined, 'x', [], 5]) t.equal(readWebhook(body, now), null)
})
