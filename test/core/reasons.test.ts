import t from 'tap'
import { nextReasons, reasons, reasonWords } from '../../src/core/reasons.ts'

t.test('the table of reasons', async t => {
  const fallsThrough = reasonWords.filter(word => reasons[word].fallsThrough)
  t.strictSame(
    reasonWords.filter(word => !reasons[word].fallsThrough),
    ['number_mismatch', 'user_rejected', 'deadline', 'app_canceled', 'superseded', 'blocked'],
  )
  t.strictSame(reasonWords.filter(word => reasons[word].isProviderFault), [
    'provider_timeout', 'provider_error', 'provider_bad_response', 'rate_limited_by_provider', 'provider_misconfigured',
    'provider_unavailable',
  ])
  for (const word of reasonWords.filter(word => reasons[word].isProviderFault)) t.ok(
    fallsThrough.includes(word), `an outage alone does not end a verification: ${word}`,
  )
  for (const word of nextReasons) t.ok(reasonWords.includes(word))
})
