import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t from 'tap'
import manifest from '../../package.json' with { type: 'json' }
import { anchorOf, documents, headingsOf, mentions, present, read, root, withoutCode } from './documents.ts'

t.test('every relative link leads to a file, and every anchor to a heading', async t => {
  t.ok(documents.length > 10)
  let links = 0
  for (const name of documents) {
    for (const [, link = ''] of withoutCode(read(name)).matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^https?:/.test(link)) continue
      links += 1
      const [file = '', anchor] = link.split('#')
      const target = file === '' ? name : join(dirname(name), file)
      if (!existsSync(join(root, target))) {
        t.fail(`${name}: ${link} does not exist`)
      } else if (anchor !== undefined) {
        t.ok(headingsOf(read(target)).some(heading => anchorOf(heading) === anchor), `${name}: ${link}`)
      }
    }
  }
  t.ok(links > 100)
})

t.test('every document can be reached from the README', async t => {
  const reached = new Set(['README.md'])
  for (const name of reached) {
    for (const [, link = ''] of withoutCode(read(name)).matchAll(/\]\(([^)\s#]+\.md)(?:#[^)]*)?\)/g)) {
      const target = join(dirname(name), link)
      if (existsSync(join(root, target))) reached.add(target)
    }
  }
  t.strictSame(documents.filter(name => !reached.has(name)), [])
})

t.test('no document has two headings with the same anchor', async t => {
  for (const name of documents) {
    // A changelog repeats its headings for each version.
    if (name === 'CHANGELOG.md') continue
    const anchors = headingsOf(read(name)).map(anchorOf)
    t.equal(new Set(anchors).size, anchors.length, name)
  }
})

t.test('files and scripts that are named exist', async t => {
  const files = mentions(present, /(?<![\w/.-])((?:ops|helm|src|docs|test|scripts|bench|openapi)\/[\w./-]+\.\w+)/g)
  t.ok(files.length > 30)
  // The operator makes the two files; `globex` stands for a provider to be written.
  const madeLater = (file: string): boolean =>
    /^ops\/compose\/(apps|providers)\.json$/.test(file) || file.includes('globex')
  for (const [file, name] of files) t.ok(existsSync(join(root, file)) || madeLater(file), `${name}: ${file}`)
  const scripts = mentions(present, /npm run (?:-s )?([a-z:]+)/g)
  t.ok(scripts.length > 3)
  for (const [script, name] of scripts) t.ok(script in manifest.scripts, `${name}: npm run ${script}`)
})

t.test('prose stays within 120 columns', async t => {
  for (const name of documents) {
    const lines = withoutCode(read(name)).split('\n')
    t.strictSame(lines.filter(line => !line.startsWith('|') && line.length > 120), [], name)
  }
})

t.test('features that were removed are not described', async t => {
  for (const name of present) t.notMatch(read(name), /profileStatus|profile_ready/, name)
})
