import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'

const root = join(import.meta.dirname, '..')
const text = readFileSync(join(root, 'SECURITY.md'), 'utf8')

t.test('every defence names a test that is there', async t => {
  const links = [...text.matchAll(/\]\(([^)]+)\)/g)].map(([, path = '']) => path)
  t.ok(links.length > 40)
  for (const path of new Set(links)) t.ok(existsSync(join(root, path)), path)
  const rows = text.slice(text.indexOf('## Attack'), text.indexOf('## OWASP')).split('\n').filter(
    row => row.startsWith('| ') && !row.startsWith('| **') && !row.startsWith('| attack'),
  )
  t.ok(rows.length > 25)
  for (const row of rows) t.match(row, /\]\(test\/.+\) \|$/, row)
})

t.test('all ten of OWASP', async t => {
  for (let n = 1; n <= 10; n += 1) t.match(text, new RegExp(`^\\| API${n} `, 'm'))
})
