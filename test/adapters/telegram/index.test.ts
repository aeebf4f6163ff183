import t from 'tap'
import { telegram } from '../../../src/adapters/telegram/index.ts'
import {
  anAttempt, callbackKey, callbackUrl, contract, endingOf, openAdapter, openIo, openVendor, type Contract, type Ending,
} from '../../../src/conformance/index.ts'
import {
  answerWell, delivery, isCheck, isRevoke, isSend, phoneNumber, refuse, report, requestId, result, sentTo, settings,
  token, verified,
} from './documented.ts'

const denied = (reason: string) => ({ verdict: 'denied', reason }) as Partial<Ending>
const failed = (reason: string, retryable = false) => ({ failed: reason, retryable })
const refusals = (status: number) => [401, 403].includes(status) ? failed('provider_misconfigured') : null
const received = (status: 'sent' | 'delivered' | 'read' | 'failed') => ({
  key: callbackKey, type: 'delivery', delivery: { status, channel: 'telegram', at: 1_740_000_000_000 },
}) as const
const callbacks: Contract['callbacks'] = [
  { callback: report(delivery('sent')), received: received('sent') },
  { callback: report(delivery('delivered')), received: received('delivered') },
  { callback: report(delivery('read')), received: received('read') },
  { callback: report(delivery('expired')), received: received('failed') },
  { callback: report(delivery('revoked')), received: { key: callbackKey, type: 'noted' } },
  { callback: report(delivery('a new word')), received: { key: callbackKey, type: 'noted' } },
  {
    callback: report({ request_id: requestId, verification_status: { status: 'code_valid', updated_at: 1 } }),
    received: { key: callbackKey, type: 'noted' },
  },
  { callback: { ...report(delivery('sent')), key: null }, received: null },
  { callback: report(delivery('sent'), { by: 'x' }), received: { type: 'refused', cause: 'signature_invalid' } },
  { callback: { ...report(delivery('sent')), headers: {} }, received: { type: 'refused', cause: 'signature_missing' } },
  {
    callback: report(delivery('sent'), { at: Date.now() - 400_000 }),
    received: { type: 'refused', cause: 'date_skewed' },
  },
  {
    callback: report(delivery('sent'), { at: Date.now() + 400_000 }),
    received: { type: 'refused', cause: 'date_skewed' },
  },
]

t.test('telegram.code', t => contract(t, {
  provider: telegram,
  method: 'telegram.code',
  settings,
  secrets: [token, requestId],
  attempt: { phoneNumber },
  vendor: answerWell,
  action: () => ({ type: 'submitCode', length: 6, channels: ['TELEGRAM'] }),
  good: { evidence: { code: '012345' }, proven: { phoneNumber } },
  assurance: { possession: 'account', binding: 'session', restricted: false },
  singleUse: null,
  callbacks,
  sign: report,
  cancel: isRevoke,
  bad: [
    { name: 'wrong', vendor: () => verified('code_invalid'), ends: { verdict: 'incorrect' } },
    { name: 'wrong, as an error', vendor: refuse('CODE_INVALID'), ends: { verdict: 'incorrect' } },
    { name: 'no digits', evidence: { code: 'abcdef' }, ends: { verdict: 'incorrect' } },
    { name: 'the status of another code', evidence: { code: '123456' }, ends: { verdict: 'incorrect' } },
    {
      name: 'exhausted', vendor: () => verified('code_max_attempts_exceeded'), ends: denied('code_attempts_exhausted'),
    },
    {
      name: 'exhausted, as an error', vendor: refuse('CODE_MAX_ATTEMPTS_EXCEEDED', 400),
      ends: denied('code_attempts_exhausted'),
    },
    { name: 'expired', vendor: () => verified('expired'), ends: denied('evidence_expired') },
    { name: 'expired, as an error', vendor: refuse('CODE_EXPIRED'), ends: denied('evidence_expired') },
    { name: 'a forgotten request', vendor: refuse('REQUEST_ID_INVALID'), ends: denied('evidence_expired') },
    {
      name: 'valid before the attempt', vendor: () => verified('code_valid', { updated_at: 1_740_000_000 }),
      ends: denied('evidence_expired'),
    },
    {
      name: 'valid without a time', vendor: () => verified('code_valid', { updated_at: undefined }),
      ends: failed('provider_bad_response'),
    },
    {
      name: 'valid in the future', vendor: () => verified('code_valid', { updated_at: 9_999_999_999 }),
      ends: failed('provider_bad_response'),
    },
    { name: 'a new word', vendor: () => verified('code_checked'), ends: failed('provider_bad_response') },
    { name: 'no status', vendor: () => result({}), ends: failed('provider_bad_response') },
    {
      name: 'another request', vendor: () => verified('code_valid', {}, { request_id: 'r2' }),
      ends: failed('provider_bad_response'),
    },
    {
      name: 'another number', vendor: () => sentTo('+391234567891'),
      ends: { verdict: 'proven', phoneNumber: '+391234567891' },
    },
    { name: 'a number that cannot be read', vendor: () => sentTo('ada'), ends: failed('provider_bad_response') },
    { name: 'the token', vendor: refuse('ACCESS_TOKEN_INVALID'), ends: failed('provider_misconfigured') },
    { name: 'too many', vendor: refuse('FLOOD_WAIT_15'), ends: failed('rate_limited_by_provider', true) },
    { name: 'no evidence', evidence: {}, ends: denied('evidence_invalid') },
  ],
  refusals: [
    { call: isSend, phase: 'start', ends: refusals }, { call: isCheck, phase: 'resolve', ends: refusals },
  ],
}))

t.test('a code is sent and checked as documented', async t => {
  const now = Date.now()
  const vendor = await openVendor(t, answerWell)
  const env = { ...settings(vendor), TELEGRAM_SENDER_USERNAME: '@my_shop' }
  const adapter = openAdapter(telegram, env, openIo(t, { now: () => now }))
  const attempt = anAttempt({ method: 'telegram.code', phoneNumber, startedAt: now, expiresAt: now + 299_100 })
  t.same(await adapter.start(attempt), {
    id: requestId, state: { requestId }, action: { type: 'submitCode', length: 6, channels: ['TELEGRAM'] },
    cost: { amount: 0.01, currency: 'USD' }, balance: { amount: 9.99, currency: 'USD' },
  })
  await adapter.start({ ...attempt, expiresAt: now, callbackUrl: `https://verify.example/${'x'.repeat(256)}` })
  await adapter.start({ ...attempt, expiresAt: now + 86_400_000 })
  await adapter.resolve({ ...attempt, state: { requestId } }, { code: ' ٠١٢-345 ' }, { repeated: false })
  await adapter.cancel?.({ ...attempt, state: { requestId } })
  const sent = {
    phone_number: phoneNumber, code_length: 6, ttl: 300, callback_url: callbackUrl, sender_username: 'my_shop',
  }
  const { callback_url: _tooLong, ...withoutUrl } = sent
  t.strictSame(vendor.calls.map(({ body }) => body), [
    sent, { ...withoutUrl, ttl: 30 }, { ...sent, ttl: 3600 }, { request_id: requestId, code: '012345' },
    { request_id: requestId },
  ])
  t.match(vendor.calls[0], {
    method: 'POST', headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
  })
})

t.test('only an https URL receives reports in production', async t => {
  const vendor = await openVendor(t, answerWell)
  const io = openIo(t)
  // The address of Telegram is replaced below the check of the settings, which accepts https only.
  const adapter = openAdapter(telegram, { TELEGRAM_API_TOKEN: token }, {
    ...io, allowInsecure: false,
    openHttp: provider => request => io.openHttp(provider, [vendor.host])({
      ...request, url: request.url.replace('https://gatewayapi.telegram.org', vendor.origin),
    }),
  })
  const attempt = anAttempt({ method: 'telegram.code', phoneNumber })
  await adapter.start(attempt)
  await adapter.start({ ...attempt, callbackUrl: callbackUrl.replace('https:', 'http:') })
  t.match(vendor.calls.map(({ body }) => 'callback_url' in Object(body)), [true, false])
})

t.test('why a code cannot be sent', async t => {
  const vendor = await openVendor(t, answerWell)
  const adapter = openAdapter(telegram, settings(vendor), openIo(t))
  const attempt = anAttempt({ method: 'telegram.code', phoneNumber })
  const words: [word: string | undefined, reason: string, retryable?: boolean][] = [
    ['PHONE_NUMBER_NOT_FOUND', 'number_not_registered'], ['PHONE_NUMBER_NOT_AVAILABLE', 'number_not_registered'],
    ['PHONE_NUMBER_UNOCCUPIED', 'number_not_registered'], ['PHONE_NUMBER_INVALID', 'number_not_registered'],
    ['PHONE_NUMBER_BANNED', 'number_not_registered'],
    ['ACCESS_TOKEN_INVALID', 'provider_misconfigured'], ['ACCESS_TOKEN_REQUIRED', 'provider_misconfigured'],
    ['BALANCE_NOT_ENOUGH', 'provider_misconfigured'], ['SENDER_USERNAME_INVALID', 'provider_misconfigured'],
    ['SENDER_NOT_VERIFIED', 'provider_misconfigured'], ['SENDER_NOT_OWNED', 'provider_misconfigured'],
    ['CALLBACK_URL_INVALID', 'provider_misconfigured'], ['INTERNAL_ERROR', 'provider_error'],
    ['FLOOD_WAIT_15', 'rate_limited_by_provider', true], ['TTL_INVALID', 'provider_bad_response'],
    ['CODE_EXPIRED', 'provider_bad_response'], ['REQUEST_ID_INVALID', 'provider_bad_response'],
    [undefined, 'provider_bad_response'],
  ]
  for (const [word, reason, retryable = false] of words) {
    for (const status of [200, 400]) {
      vendor.answer = refuse(word, status)
      t.same(await endingOf(adapter.start(attempt)), failed(reason, retryable), `${status} ${word}`)
    }
  }
  vendor.answer = () => ({ body: { ok: true, result: { phone_number: phoneNumber } } })
  t.same(await endingOf(adapter.start(attempt)), failed('provider_bad_response'), 'no id')
  vendor.answer = () => ({ body: { ok: true, error: 'BALANCE_NOT_ENOUGH', result: { request_id: 'r1' } } })
  t.same(await endingOf(adapter.start(attempt)), failed('provider_misconfigured'), 'a word is an error, whatever else')
})

t.test('the probe shows whether the token is accepted', async t => {
  const vendor = await openVendor(t, refuse('REQUEST_ID_INVALID'))
  const adapter = openAdapter(telegram, settings(vendor), openIo(t))
  await adapter.probes?.['credentials']?.(anAttempt({}))
  t.match(vendor.calls, [{ path: '/checkVerificationStatus' }])
  vendor.answer = refuse('ACCESS_TOKEN_INVALID')
  await t.rejects(
    async () => adapter.probes?.['credentials']?.(anAttempt({})), { message: /: provider_misconfigured / },
  )
})

t.test('a message that cannot be revoked', async t => {
  const vendor = await openVendor(t, refuse('REQUEST_ID_INVALID'))
  const adapter = openAdapter(telegram, settings(vendor), openIo(t))
  await adapter.cancel?.(anAttempt({ state: { requestId } }))
  t.equal(vendor.calls.length, 1, 'there is nothing to take away')
  vendor.answer = refuse('FLOOD_WAIT_3')
  const revoked = async () => adapter.cancel?.(anAttempt({ state: { requestId } }))
  await t.rejects(revoked, { message: /: rate_limited_by_provider / })
})

t.test('settings that cannot be used', async t => {
  const open = (env: Record<string, string>) => () => telegram.open(env, openIo(t), 'telegram')
  t.throws(open({ TELEGRAM_API_TOKEN: 'a b' }), /^TELEGRAM_API_TOKEN must/)
  t.throws(open({ TELEGRAM_API_TOKEN: token, TELEGRAM_API_URL: 'https://x.example/path' }), /TELEGRAM_API_URL must/)
  for (const username of ['my shop', '@', 'a', '1shop', 'https://t.me/shop']) {
    t.throws(open({ TELEGRAM_API_TOKEN: token, TELEGRAM_SENDER_USERNAME: username }), /TELEGRAM_SENDER_USERNAME must/)
  }
})
