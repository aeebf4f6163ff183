import t from 'tap'
import { readForm, readTags, readTo } from '../../../src/api/twilio/requests.ts'
import { ApiError } from '../../../src/core/errors.ts'

t.test('form bodies', async t => {
  t.strictSame(readForm('To=%2B14155550100&Code=1&Code=2'), { To: '+14155550100', Code: '2' })
  t.equal(readTo(readForm('To=+14155550100')['To'] ?? ''), '+14155550100')
})

t.test('tags', async t => {
  t.strictSame(readTags(undefined), {})
  t.strictSame(readTags('{"plan":"pro"}'), { plan: 'pro' })
  const tags = (count: number, name = 'k', value: unknown = 'v') =>
    JSON.stringify(Object.fromEntries(Array.from({ length: count }, (_, index) => [`${name}${index}`, value])))
  readTags(tags(10, 'k', 'v'.repeat(128)))
  for (const text of [
    '', '[]', 'null', '"a"', '{"a":1}', '{', tags(11), tags(1, 'k', 'v'.repeat(129)), tags(1, 'k'.repeat(128)),
    tags(1, 'k', '\0'), '{"__proto__":"x"}',
  ]) t.throws(() => readTags(text), ApiError, text)
})
