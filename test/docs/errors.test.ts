import t from 'tap'
import { apiErrors } from '../../src/core/errors.ts'
import { blameOf, nextReasons, reasons, reasonWords } from '../../src/core/reasons.ts'
import { webhookEventNames } from '../../src/core/vocabulary.ts'
import { tryErrors } from '../../src/webhooks/delivery.ts'
import { headingsOf, plain, read, rowsOf, sectionOf } from './documents.ts'

const text = read('docs/errors.md')

t.test('every error code has a section that says when, what to do, and whether a retry helps', async t => {
  const sections = headingsOf(text).filter(heading => /^[a-z_]+$/.test(heading))
  t.strictSame(sections, Object.keys(apiErrors), 'in the order of the code')
  for (const [code, { status }] of Object.entries(apiErrors)) {
    const section = sectionOf(text, `### ${code}`)
    t.ok(section.trimStart().startsWith(`**${status}.** `), `${code}: its status`)
    const said = section.replaceAll('\n', ' ')
    for (const word of ['**Do**: ', '**Retry**: ']) t.ok(said.includes(word), `${code}: ${word}`)
  }
})

t.test('every reason has a row that says whether the next attempt starts', async t => {
  const rows = rowsOf(sectionOf(text, '## Reasons'))
  t.strictSame(rows.map(([reason = '']) => plain(reason)), reasonWords, 'in the order of the code')
  for (const [index, reason] of reasonWords.entries()) {
    const [, , next = '', fixer] = rows[index] ?? []
    if (next !== '–') {
      t.equal(next.startsWith('yes'), reasons[reason].fallsThrough, reason)
      t.equal(fixer, blameOf(reason), `${reason}: who fixes it`)
    } else t.notOk(reasons[reason].fallsThrough, reason)
  }
  const [given = ''] = /A front end may give.*?`next`/s.exec(text) ?? []
  t.strictSame([...given.matchAll(/`(\w+)`/g)].map(([, word = '']) => word), [...nextReasons, 'next'])
})

t.test('every webhook event and every error of a try is described', async t => {
  const webhooks = read('docs/webhooks.md')
  t.strictSame(rowsOf(sectionOf(webhooks, '## Events')).map(([type = '']) => plain(type)), webhookEventNames)
  const log = sectionOf(webhooks, '## Delivery log')
  for (const error of tryErrors) t.ok(log.includes(`\`${error}\``), error)
})
