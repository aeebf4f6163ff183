import { existsSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { read, root, rowsOf, sectionOf } from './documents.ts'

const text = read('SECURITY.md')

t.test('every defence names a test that exists', async t => {
  const rows = rowsOf(sectionOf(text, '## Attack, defence, test')).filter(([attack = '']) => !attack.startsWith('**'))
  t.ok(rows.length > 25)
  for (const [attack = '', defence, tests = ''] of rows) {
    t.ok(defence, attack)
    const paths = [...tests.matchAll(/\]\((test\/[^)]+\.ts)\)/g)].map(([, path = '']) => path)
    t.ok(paths.length > 0, `${attack} is shown by a test`)
    for (const path of paths) t.ok(existsSync(join(root, path)), `${attack}: ${path}`)
  }
})

t.test('all ten risks of OWASP are answered', async t => {
  const risks = rowsOf(sectionOf(text, '## OWASP API Security Top 10 (2023)')).map(([risk = '']) => risk.split(' ')[0])
  t.strictSame(risks, Array.from({ length: 10 }, (_, index) => `API${index + 1}`))
})
