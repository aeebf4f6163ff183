import t from 'tap'
import { isShown } from '../../../src/api/twilio/verifications.ts'

t.test('how long the result of an ended silent check is shown', async t => {
  const sid = `VE${'0'.repeat(32)}`
  const ended = { updatedAt: 100_000, expiresAt: 700_000 }
  for (const [by, at, shown] of [
    [sid, 100_000, true], [sid, 699_999, true], [sid, 700_000, false],
    ['+14155550100', 159_999, true], ['+14155550100', 160_000, false], [' 14155550100', 160_000, false],
  ] as const) t.equal(isShown(ended, { by, at }), shown, `${by} at ${at}`)
  t.notOk(isShown({ ...ended, updatedAt: 690_000 }, { by: '+14155550100', at: 700_000 }), 'never after its time')
})
