import t from 'tap'
import { readError } from '../../src/adapters/otpless/errors.ts'
import { mentions, plain, read, rowsOf, sectionOf } from './documents.ts'

const page = read('docs/providers/otpless.md')

t.test('the page of OTPLESS has each error code with its reason', async t => {
  const rows = rowsOf(sectionOf(page, '## Errors and what they become'))
  const documented = new Map<string, string>()
  for (const [says = '', reason = ''] of rows) {
    // What a code means for one kind of evidence or call only, or a whole family of codes.
    if (/ while | when | otherwise| as the status/.test(says)) continue
    for (
      const [, code = ''] of says.matchAll(/`(\d{4}|SP\d+)`/g)
    ) documented.set(code, plain(reason.split(/[.:,]/)[0] ?? ''))
  }
  const known = mentions(['src/adapters/otpless/errors.ts'], /\['(\d{4}|SP\d+)', '/g).map(([code]) => code)
  t.ok(known.length > 50)
  // A wrong code and "already verified" have rows of their own.
  const special = ['7112', '7115', '7116', '7118']
  t.strictSame([...documented.keys()].sort(), known.filter(code => !special.includes(code)).sort())
  for (const [code, reason] of documented) t.equal(readError(400, { errorCode: code }), reason, code)
})
