import t from 'tap'
import {
  decodeDelivery, encodeDelivery, isFinalFailure, isSuccess, replayDelivery, settleTry, showUrl, wasSent,
  type Delivery, type TryResult,
} from '../../src/webhooks/delivery.ts'
import { viewDelivery } from '../../src/api/views/delivery.ts'

const pending: Delivery = {
  id: 'whd_x_5', appId: 'shop', verificationId: 'ver_x', type: 'verification.verified', isManual: false,
  webhookId: 'msg_x_5', url: '', body: '{}', status: 'pending', tries: [], step: 0, nextTryAt: 0, createdAt: 0,
}
const result = (statusCode: number | null, more: Partial<TryResult> = {}): TryResult => (
  { statusCode, durationMs: 12, error: statusCode === null ? 'timeout' : null, retryAfterMs: null, ...more }
)
const settle = (delivery: Delivery, tried: TryResult, jitterFactor = 0.5): Delivery =>
  settleTry(delivery, tried, { url: 'https://shop.example/hooks?token=secret', at: 1_000, jitterFactor })
const delayAfter = (step: number, tried: TryResult, jitterFactor?: number): number => (
  settle({ ...pending, step }, tried, jitterFactor).nextTryAt ?? NaN
) - 1_000

t.test('the schedule ends with the tenth try', async t => {
  t.match(settle({ ...pending, step: 8 }, result(500)), { status: 'pending', step: 9 })
  t.match(settle({ ...pending, step: 9 }, result(500)), { status: 'failed', step: 10, nextTryAt: null })
})

t.test('the status after a try', async t => {
  for (const status of [200, 201, 202, 204, 299]) t.match(
    settle(pending, result(status)),
    { status: 'delivered', nextTryAt: null, tries: [{ at: 1_000, statusCode: status, durationMs: 12, error: null }] },
  )
  for (
    const status of [100, 199, 300, 301, 302, 304, 307, 400, 401, 404, 409, 429, 500, 503]
  ) t.match(settle(pending, result(status)), { status: 'pending', nextTryAt: 6_000 }, `${status}`)
  t.match(
    settle(pending, result(null)),
    { status: 'pending', nextTryAt: 6_000, tries: [{ statusCode: null, error: 'timeout' }] },
  )
  t.match(settle(pending, result(410)), { status: 'failed', nextTryAt: null, tries: [{ statusCode: 410 }] })
  for (const error of ['no_endpoint', 'endpoint_disabled'] as const) {
    t.match(settle(pending, result(null, { error })), { status: 'failed', nextTryAt: null, tries: [{ error }] })
    t.strictSame([wasSent(result(null, { error })), isFinalFailure(result(null, { error }))], [false, true])
  }
  t.strictSame(
    [
      isSuccess(result(204)), isSuccess(result(304)), isSuccess(result(null)), isFinalFailure(result(410)),
      isFinalFailure(result(500)), wasSent(result(null)),
    ],
    [true, false, false, true, false, true],
  )
  t.equal(settle(pending, result(500)).url, 'https://shop.example/hooks')
  t.strictSame(pending.tries, [], 'the argument is not changed')
})

t.test('Retry-After', async t => {
  const requested = (retryAfterMs: number, status = 503): TryResult => result(status, { retryAfterMs })
  t.equal(delayAfter(0, requested(60_000)), 60_000)
  t.equal(delayAfter(0, requested(60_000, 429)), 60_000)
  t.equal(delayAfter(0, requested(60_000, 500)), 5_000, 'only with 429 and 503')
  t.equal(delayAfter(0, requested(1_000)), 5_000, 'never sooner')
  t.equal(delayAfter(0, requested(7_200_000)), 3_600_000, 'at most an hour, or')
  t.equal(delayAfter(3, requested(86_400_000)), 18_000_000, 'the next delay of the schedule')
  t.equal(delayAfter(8, requested(172_800_000)), 86_400_000)
})

t.test('a replay restarts the schedule and keeps the newest tries', async t => {
  const failed = settle({ ...pending, step: 9 }, result(500))
  const again = replayDelivery(failed, 5_000)
  t.match(
    again,
    {
      status: 'pending', step: 0, isManual: true, nextTryAt: 5_000, webhookId: pending.webhookId, body: pending.body,
      tries: failed.tries,
    },
  )
  t.match(settle(again, result(500)), { status: 'pending', step: 1, nextTryAt: 6_000 })
  let long = pending
  for (let count = 0; count < 60; count += 1) long = settle({ ...long, step: 0 }, result(500 + count))
  t.strictSame([long.tries.length, long.tries[0]?.statusCode, long.tries.at(-1)?.statusCode], [50, 510, 559])
})

t.test('the view of the app', async t => {
  t.strictSame(viewDelivery({ ...settle(pending, result(500)), nextTryAt: 6_000 }), {
    id: 'whd_x_5', webhookId: 'msg_x_5', type: 'verification.verified', verificationId: 'ver_x',
    url: 'https://shop.example/hooks', status: 'pending',
    tries: [{ at: '1970-01-01T00:00:01.000Z', statusCode: 500, durationMs: 12, error: null }],
    nextTryAt: '1970-01-01T00:00:06.000Z',
  })
  t.equal(viewDelivery({ ...pending, nextTryAt: null }).nextTryAt, null)
  t.strictSame(
    [showUrl('https://shop.example:8443/a/b?c=d#e'), showUrl('nonsense')], ['https://shop.example:8443/a/b', ''],
  )
})

t.test('a record', async t => {
  const tried = settle(pending, result(500))
  for (const delivery of [pending, tried, { ...tried, traceparent: '00-a-b-01' }]) {
    t.strictSame(decodeDelivery(encodeDelivery(delivery), delivery.id), delivery)
  }
  t.notMatch(encodeDelivery(pending).toString('latin1'), 'whd_x_5', 'the store seals the record under its id')
  t.notMatch(encodeDelivery(tried).toString('latin1'), /webhookId|statusCode/, 'field names are not stored')
  // MessagePack of null, 1, "x", [] and {}.
  for (const bytes of [[0xc0], [1], [0xa1, 0x78], [0x90], [0x80]]) {
    t.throws(() => decodeDelivery(Buffer.from(bytes), 'whd_x_5'), TypeError)
  }
})
