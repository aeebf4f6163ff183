import t from 'tap'
import { providers } from '../../src/adapters/index.ts'
import { variablesOf } from '../../src/adapters/instances.ts'
import { everyMethod, renewDocuments } from '../../scripts/provider-docs.ts'
import { read, rowsOf, sectionOf } from './documents.ts'

t.test('what is repeated of the adapters is up to date; `node scripts/provider-docs.ts` writes it', async t => {
  for (const [path, text] of renewDocuments(read)) t.ok(read(path) === text, path)
})

t.test('each document that repeats something is renewed', async t => {
  const pages = providers.map(({ provider }) => `docs/providers/${provider}.md`)
  const renewed = renewDocuments(read)
  t.strictSame([...renewed.keys()].sort(), [
    'README.md', 'docs/configuration.md', 'docs/methods.md', 'docs/sandbox.md', ...pages,
  ].sort())
  for (const [path, text] of renewed) {
    const methods = path === 'docs/sandbox.md' ? [] : everyMethod().filter(
      ([name]) => !path.includes('providers/') || path.includes(name.split('.')[0] ?? ''),
    )
    for (const [name] of methods) t.ok(text.includes(`\`${name}\``), `${path}: ${name}`)
  }
})

t.test('every method and every setting is in the page of its provider', async t => {
  const methods = everyMethod().map(([name]) => name)
  t.ok(methods.length > providers.length)
  for (const provided of providers) {
    const { provider } = provided
    const section = sectionOf(read(`docs/providers/${provider}.md`), '## Methods and settings')
    const names = rowsOf(section).map(([name = '']) => name.slice(1, -1))
    const own = methods.filter(method => method.startsWith(`${provider}.`))
    t.ok(own.length > 0, `${provider} is in the sandbox`)
    t.strictSame(names, [...own, ...own, ...Object.keys(variablesOf(provided))], provider)
  }
})

t.test('every provider and method is where the others are listed by hand', t => {
  const [assurance, operations, example] = ['docs/assurance.md', 'docs/operations.md', '.env.example'].map(read)
  for (const { provider } of providers) {
    const own = everyMethod().map(([name]) => name).filter(name => name.startsWith(`${provider}.`))
    for (const name of own) t.ok(assurance?.includes(`\`${name}\``), `docs/assurance.md: ${name}`)
    const links = operations?.split(`(providers/${provider}.md)`) ?? []
    t.ok(links.length > 2, `docs/operations.md: ${provider}`)
    t.ok(example?.includes(`\n# ${provider.toUpperCase()}_`), `.env.example: ${provider}`)
  }
  t.end()
})

t.test('a document without the comments is not overwritten', async t => {
  t.throws(() => renewDocuments(path => read(path).replace('<!-- /methods -->', '')), /"methods" are missing/)
})

/** What these pages use of https://mermaid.js.org/syntax/sequenceDiagram.html. */
const statement = new RegExp([
  '^(participant|actor) \\w+ as .+$', '^(alt|else|opt|loop|par|and|break) .+$', '^end$',
  '^[Nn]ote (over|left of|right of) [\\w,]+: .+$',
].join('|'))
const message = /^(\w+)-?-(?:>>|[x)])[+-]?(\w+): .+$/

t.test('every method has a drawing, in a section that is named after it', async t => {
  for (const [method] of everyMethod()) {
    const page = read(`docs/providers/${method.split('.')[0]}.md`)
    const heading = page.split('\n').find(line => line.startsWith('## ') && line.includes(`\`${method}\``))
    const drawing = /```mermaid\nsequenceDiagram\n(.*?)```/s.exec(
      sectionOf(page, heading ?? `## \`${method}\``),
    )?.[1] ?? ''
    const lines = drawing.split('\n').map(line => line.trim()).filter(line => line !== '')
    t.ok(lines.length > 3, method)
    const drawn = lines.flatMap(line => /^(?:participant|actor) (\w+)/.exec(line)?.[1] ?? [])
    for (const line of lines) {
      const [, from, to] = message.exec(line) ?? []
      const isKnown = from !== undefined && to !== undefined && drawn.includes(from) && drawn.includes(to)
      t.ok(isKnown || statement.test(line), `${method}: ${line}`)
    }
  }
})
