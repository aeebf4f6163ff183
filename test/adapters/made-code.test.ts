import t from 'tap'
import { judgeCode, makeCode, readKeptCode } from '../../src/adapters/made-code.ts'
import { anAttempt } from '../../src/conformance/index.ts'

const kept = { codeHash: 'hash of the first message', codeLength: 6 }
const phoneNumber = '+14155550100'

t.test('the code is the one of the first message, with its length', async t => {
  const asked: unknown[] = []
  const code = {
    make (length: number, hash?: string) {
      asked.push([length, hash])
      return { code: '123456', hash: hash ?? 'a new hash' }
    },
    matches: () => false,
  }
  const attempt = { ...anAttempt({ method: 'acme.sms', phoneNumber }), code }
  t.strictSame(makeCode({ ...attempt, state: null }, 8), {
    code: '123456', kept: { codeHash: 'a new hash', codeLength: 8 },
  })
  t.strictSame(makeCode({ ...attempt, state: kept }, 8), { code: '123456', kept })
  t.strictSame(asked, [[8, undefined], [6, 'hash of the first message']])
})

t.test('a code is judged by its hash', async t => {
  const code = {
    make: () => ({ code: '', hash: '' }),
    matches: (typed: string, hash: string) => typed === '123456' && hash === kept.codeHash,
  }
  const attempt = { ...anAttempt({ method: 'acme.sms', phoneNumber }), code, state: kept }
  t.strictSame(judgeCode(attempt, { code: '123456' }), { verdict: 'proven', phoneNumber })
  t.strictSame(judgeCode(attempt, { code: '123457' }), { verdict: 'incorrect' })
  const invalid = { verdict: 'denied', reason: 'evidence_invalid' }
  t.strictSame(judgeCode(attempt, {}), invalid)
  t.strictSame(judgeCode({ ...attempt, state: null }, { code: '123456' }), invalid)
  t.strictSame(judgeCode({ ...attempt, phoneNumber: null }, { code: '123456' }), invalid)
  t.strictSame([kept, { codeHash: 'x' }, null].map(readKeptCode), [kept, null, null])
})
