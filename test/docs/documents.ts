import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

export const root = join(import.meta.dirname, '../..')
export const read = (path: string): string => readFileSync(join(root, path), 'utf8')

/** The code of a provider's folder. */
export const sourcesOf = (provider: string): string =>
  globSync(`src/adapters/${provider}/*.ts`, { cwd: root }).sort().map(read).join('\n')

/** Every Markdown file of the repository, as a path below its root. */
export const documents = globSync('**/*.md', {
  cwd: root, exclude: name => ['node_modules', '.git', '.tap', '.data'].includes(name),
}).sort()

/** The documents that describe the present state; a changelog also names what is gone. */
export const present = documents.filter(path => path !== 'CHANGELOG.md')

/** Without code blocks and without the generated results of the benchmark. */
export const withoutCode = (markdown: string): string =>
  markdown.replace(/^ *```.*?^ *```$/gms, '').replace(/<!-- bench -->.*<!-- \/bench -->/s, '')

export const headingsOf = (markdown: string): string[] =>
  [...withoutCode(markdown).matchAll(/^#{1,6} (.+)$/gm)].map(([, heading = '']) => heading)

/** How GitHub names a heading in a link. */
export const anchorOf = (heading: string): string =>
  heading.toLowerCase().replace(/\[([^\]]*)\]\([^)]*\)/g, '$1').replace(/[^\p{L}\p{N} _-]/gu, '').replaceAll(' ', '-')

/** The text under a heading, up to the next one of the same level or a higher one. */
export function sectionOf (markdown: string, heading: string): string {
  const level = /^#+/.exec(heading)?.[0].length ?? 0
  const start = markdown.indexOf(`\n${heading}\n`)
  if (start < 0) throw new RangeError(`no heading ${heading}`)
  const rest = markdown.slice(start + heading.length + 2)
  // A comment in a code block may look like a heading.
  const masked = rest.replace(/^ *```.*?^ *```$/gms, code => code.replaceAll('#', '·'))
  const end = masked.search(new RegExp(`^#{1,${level}} `, 'm'))
  return end < 0 ? rest : rest.slice(0, end)
}

/** The first code block of a text. */
export function codeOf (markdown: string): string {
  const [, code] = /^```\w+\n(.*?)^```$/ms.exec(markdown) ?? []
  if (code === undefined) throw new RangeError('no code block')
  return code
}

/** The cells of each row of the tables in a text, without the header rows. */
export const rowsOf = (markdown: string): string[][] =>
  [...markdown.matchAll(/^\|[-|]+\|\n((?:\|.*\|\n?)*)/gm)].flatMap(([, rows = '']) =>
    rows.trim().split('\n').map(row => row.slice(1, -1).split(/(?<!\\)\|/).map(cell => cell.trim())))

/** Every distinct match of the pattern's first group in these documents, with one of the documents that has it. */
export function mentions (paths: readonly string[], pattern: RegExp): [text: string, path: string][] {
  const found = new Map<string, string>()
  for (const path of paths) {
    // A long text may be broken into lines.
    for (const [, text = ''] of read(path).matchAll(pattern)) found.set(text.replaceAll(/\s+/g, ' '), path)
  }
  return [...found]
}

/** The text between backticks, or the cell as it is. */
export const plain = (cell: string): string => /^`([^`]*)`$/.exec(cell)?.[1] ?? cell
