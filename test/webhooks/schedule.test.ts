import t from 'tap'
import { delayBefore, maxScheduleMs, retryDelays } from '../../src/webhooks/schedule.ts'

const refused = { statusCode: 500, retryAfterMs: null }

t.test('the schedule', async t => {
  t.strictSame(
    retryDelays.map(delay => delay / 1000), [0, 5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400],
  )
  for (const [step, delay] of retryDelays.entries()) {
    t.strictSame(
      [0, 0.5, 1].map(jitterFactor => delayBefore(step, refused, jitterFactor)),
      [Math.round(delay * 0.9), delay, Math.round(delay * 1.1)], 'the jitter is a tenth',
    )
  }
  t.equal(maxScheduleMs, Math.ceil(retryDelays.reduce((sum, delay) => sum + delay, 0) * 1.1))
})
