import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'

const folder = import.meta.dirname

t.test('every fault of the list names a test that is there, and every test is in the list', async t => {
  const rows = readFileSync(join(folder, 'README.md'), 'utf8').split('\n').filter(
    line => line.startsWith('| ') && line.includes('.test.ts`'),
  )
  const named = rows.flatMap(row => [...row.matchAll(/`([\w.-]+\.test\.ts)` `([^`]+)`/g)]).map(
    ([, file = '', title = '']) => ({ file, title }),
  )
  t.ok(named.length > 30)
  for (const { file, title } of named) t.ok(
    readFileSync(join(folder, file), 'utf8').replaceAll('\\\'', '\'').includes(title), `${file}: ${title}`,
  )
  const own = ['readme.test.ts', 'wire.test.ts']
  t.strictSame(
    globSync('*.test.ts', { cwd: folder }).filter(file => !own.includes(file) && !named.some(one => one.file === file)),
    [],
  )
})
