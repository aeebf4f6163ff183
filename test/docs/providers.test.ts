import t from 'tap'
import { providers } from '../../src/adapters/index.ts'
import { everyMethod, renewDocuments } from '../../scripts/provider-docs.ts'
import { read, rowsOf, sectionOf } from './documents.ts'

t.test('what is repeated of the adapters is up to date; `node scripts/provider-docs.ts` writes it', async t => {
  for (const [path, text] of renewDocuments(read)) t.ok(read(path) === text, path)
})

t.test('every method and every setting is in the page of its provider', async t => {
  const methods = everyMethod().map(([name]) => name)
  t.ok(methods.length > providers.length)
  for (const { provider, settings } of providers) {
    const section = sectionOf(read(`docs/providers/${provider}.md`), '## Methods and settings')
    const names = rowsOf(section).map(([name = '']) => name.slice(1, -1))
    const own = methods.filter(method => method.startsWith(`${provider}.`))
    t.strictSame(names, [...own, ...own, ...Object.keys(settings.properties)], provider)
  }
})

t.test('a document without the comments is not overwritten', async t => {
  t.throws(() => renewDocuments(path => read(path).replace('<!-- /methods -->', '')), /"methods" are missing/)
})
