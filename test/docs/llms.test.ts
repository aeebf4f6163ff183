import { existsSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { documents, read, root } from './documents.ts'

// The form is that of https://llmstxt.org.

const text = read('llms.txt')
const links = [...text.matchAll(/^- \[[^\]]+\]\(([^)]+)\): .+$/gm)].map(([, link = '']) => link)

t.test('llms.txt names every document once, and nothing that is not there', async t => {
  t.match(text, /^# Verigate\n\n> /)
  t.strictSame(links.filter(link => !existsSync(join(root, link))), [])
  t.strictSame(links.filter(link => link.endsWith('.md')).sort(), documents)
})

t.test('each item of its lists has one line', async t => {
  const sections = text.slice(text.indexOf('\n## '))
  t.equal(sections.match(/^- /gm)?.length, links.length)
  t.ok(text.split('\n').every(line => line.length <= 120))
})
