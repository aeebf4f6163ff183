import t from 'tap'
import {
  isFinalNo, isMade, isSuccess, maxScheduleMs, readDelivery, replayDelivery, retryDelays, settleTry, showUrl,
  type Delivery, type TryResult,
} from '../../src/webhooks/delivery.ts'
import { viewDelivery } from '../../src/api/views/delivery.ts'

const pending: Delivery = {
  format: 1, id: 'whd_x_5', appId: 'shop', webhookId: 'msg_x_5', type: 'verification.verified', verificationId: 'ver_x', url: '', body: '{}',
  status: 'pending', tries: [], step: 0, isManual: false, nextTryAt: 0, createdAt: 0,
}
const result = (statusCode: number | null, more: Partial<TryResult> = {}): TryResult => (
  { statusCode, durationMs: 12, error: statusCode === null ? 'timeout' : null, retryAfterMs: null, ...more }
)
const settle = (delivery: Delivery, what: TryResult, jitterFactor = 0.5): Delivery =>
  settleTry(delivery, what, { url: 'https://shop.example/hooks?token=secret', at: 1_000, jitterFactor })
const waits = (step: number, what: TryResult, jitterFactor?: number): number => (
  settle({ ...pending, step }, what, jitterFactor).nextTryAt ?? NaN
) - 1_000

t.test('the schedule', async t => {
  t.strictSame(
    retryDelays.map(delay => delay / 1000), [0, 5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400],
  )
  for (const [step, delay] of retryDelays.slice(1).entries()) {
    t.equal(waits(step, result(500)), delay)
    t.strictSame(
      [waits(step, result(500), 0), waits(step, result(500), 1)], [Math.round(delay * 0.9), Math.round(delay * 1.1)],
      'the jitter is a tenth',
    )
  }
  t.equal(maxScheduleMs, Math.ceil(retryDelays.reduce((sum, delay) => sum + delay, 0) * 1.1))
  t.match(settle({ ...pending, step: 8 }, result(500)), { status: 'pending', step: 9 })
  t.match(settle({ ...pending, step: 9 }, result(500)), { status: 'failed', step: 10, nextTryAt: null })
})

t.test('what a try comes to', async t => {
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
    t.strictSame([isMade(result(null, { error })), isFinalNo(result(null, { error }))], [false, true])
  }
  t.strictSame(
    [
      isSuccess(result(204)), isSuccess(result(304)), isSuccess(result(null)), isFinalNo(result(410)),
      isFinalNo(result(500)), isMade(result(null)),
    ],
    [true, false, false, true, false, true],
  )
  t.equal(settle(pending, result(500)).url, 'https://shop.example/hooks')
  t.strictSame(pending.tries, [], 'a value is not changed')
})

t.test('Retry-After', async t => {
  const asked = (retryAfterMs: number, status = 503): TryResult => result(status, { retryAfterMs })
  t.equal(waits(0, asked(60_000)), 60_000)
  t.equal(waits(0, asked(60_000, 429)), 60_000)
  t.equal(waits(0, asked(60_000, 500)), 5_000, 'means something with two statuses only')
  t.equal(waits(0, asked(1_000)), 5_000, 'never sooner')
  t.equal(waits(0, asked(7_200_000)), 3_600_000, 'at most an hour')
  t.equal(waits(3, asked(86_400_000)), 18_000_000, 'or the next step')
  t.equal(waits(8, asked(172_800_000)), 86_400_000)
})

t.test('a replay begins the schedule again', async t => {
  const failed = settle({ ...pending, step: 9 }, result(500))
  const again = replayDelivery(failed, 5_000)
  t.match(
    again,
    {
      status: 'pending', step: 0, isManual: true, nextTryAt: 5_000, webhookId: pending.webhookId, body: pending.body,
      tries: failed.tries,
    },
  )
  t.match(settle(again, result(500)), { status: 'pending', nextTryAt: 6_000 })
  let long = pending
  for (let count = 0; count < 60; count += 1) long = settle({ ...long, step: 0 }, result(500 + count))
  t.strictSame([long.tries.length, long.tries[0]?.statusCode, long.tries.at(-1)?.statusCode], [50, 510, 559])
})

t.test('as its app sees it', async t => {
  t.strictSame(viewDelivery({ ...settle(pending, result(500)), nextTryAt: 6_000 }), {
    id: 'whd_x_5', webhookId: 'msg_x_5', type: 'verification.verified', verificationId: 'ver_x', url: 'https://shop.example/hooks', status: 'pending',
    tries: [
      { at: '1970-01-01T00:00:01.000Z', statusCode: 500, durationMs: 12, error: null },
    ], nextTryAt: '1970-01-01T00:00:06.000Z',
  })
  t.equal(viewDelivery({ ...pending, nextTryAt: null }).nextTryAt, null)
  t.strictSame(
    [showUrl('https://shop.example:8443/a/b?c=d#e'), showUrl('nonsense')], ['https://shop.example:8443/a/b', ''],
  )
})

t.test('a record of a version to come', async t => {
  t.equal(readDelivery(pending), pending)
  for (const value of [null, 1, 'x', [], {}, { ...pending, format: 2 }]) t.throws(() => readDelivery(value), TypeError)
})
