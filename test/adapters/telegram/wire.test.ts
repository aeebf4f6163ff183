import t from 'tap'
import { judgeCheck } from '../../../src/adapters/telegram/wire.ts'
import { phoneNumber, requestId } from './documented.ts'

t.test('a code counts that was entered during the attempt, give or take a minute', async t => {
  const [startedAt, now] = [1_740_000_000_000, 1_740_000_100_000]
  const judge = (updatedAt: number) => judgeCheck(200, {
    ok: true, result: { request_id: requestId, verification_status: { status: 'code_valid', updated_at: updatedAt } },
  }, { requestId, code: '123456', phoneNumber, startedAt, now })
  for (const [updatedAt, says] of [
    [1_739_999_939, 'evidence_expired'], [1_739_999_940, { phoneNumber }], [1_740_000_050, { phoneNumber }],
    [1_740_000_160, { phoneNumber }], [1_740_000_161, 'provider_bad_response'],
  ] as const) t.same(judge(updatedAt), says, String(updatedAt))
})
