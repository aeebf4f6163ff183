import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TSchema } from 'typebox'
import type { Adapter, Method } from '../src/adapters/adapter.ts'
import { providers } from '../src/adapters/index.ts'
import { openAdapters, variablesOf } from '../src/adapters/instances.ts'
import { assuranceOf, rate } from '../src/core/assurance.ts'

/**
 * Writes what the documentation repeats of the adapters: the methods and settings in docs/providers/, and the settings
 * in docs/configuration.md. Each stands between two comments, and the text around them is written by people.
 */

const root = join(import.meta.dirname, '..')
const docs = { configuration: 'docs/configuration.md', page: (provider: string) => `docs/providers/${provider}.md` }

/** A value that every credential can have. */
const anyCredential = 'a'.repeat(24)
const unused = (): never => { throw new Error('the documentation does not need this function') }

/** The adapters of all providers, with all of their methods and the default settings. They cannot be called. */
function openEveryAdapter (): Adapter[] {
  const credentials = providers.flatMap(provider => Object.entries(variablesOf(provider)))
    .filter(([, schema]) => 'isSecret' in schema).map(([name]) => [name, anyCredential] as const)
  const io = { openHttp: () => unused, now: unused, randomBytes: unused, allowInsecure: false }
  return openAdapters(providers, Object.fromEntries(credentials), io)
}

/** Every method of every provider, by its name. */
export const everyMethod = (): [name: string, method: Method][] =>
  openEveryAdapter().flatMap(adapter => Object.entries(adapter.methods))

/** Text as a cell: a `|` would end it. */
const cell = (text: string): string => text.replaceAll('|', '\\|')
const code = (value: unknown): string => `\`${typeof value === 'string' ? value : JSON.stringify(value)}\``
const yesOrNo = (isTrue: boolean): string => isTrue ? 'yes' : 'no'
const seconds = (ms: number): string => `${ms / 1000} s`
const list = (values: readonly unknown[]): string => values.map(code).join(', ')

function table (head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.map(cell).join(' | ')} |`
  return [line(head), `|${head.map(() => '---|').join('')}`, ...rows.map(line)].join('\n')
}

function methodTables (methods: Adapter['methods']): string {
  const entries = Object.entries(methods)
  const proofs = entries.map(([name, { needsPhoneNumber, nextActions, evidence, assurance }]) => {
    const { level, possession, binding, restricted } = rate(assuranceOf(assurance, {}))
    return [
      code(name), yesOrNo(needsPhoneNumber), list(nextActions),
      evidence.length === 0 ? '–' : list(evidence.map(kind => kind === 'none' ? '{}' : kind)),
      String(level), code(possession), code(binding), yesOrNo(restricted),
    ]
  })
  const rules = entries.map(([name, { timeoutMs, sendsMessage, resend, codeAttempts, defaultRank, options }]) => [
    code(name), seconds(timeoutMs), yesOrNo(sendsMessage),
    resend === undefined ? '–' : `${resend.times} times, after ${seconds(resend.afterMs)}`,
    codeAttempts === undefined ? '–' : String(codeAttempts),
    defaultRank === undefined ? '–' : String(defaultRank),
    describeOptions(options),
  ])
  return [
    table(
      ['method', 'needs the number', '`nextAction`', '`check` accepts', 'level', 'possession', 'binding', 'restricted'],
      proofs,
    ),
    table(
      ['method', 'timeout', 'sends a message', 'resend', 'wrong codes', 'default order', 'options'], rules,
    ),
  ].join('\n\n')
}

/** More options than this are listed by their names only. */
const maxExplained = 3

function describeOptions ({ properties }: Method['options']): string {
  const options = Object.entries(properties)
  if (options.length === 0) return '–'
  if (options.length > maxExplained) return list(options.map(([name]) => name))
  return options.map(([name, schema]) => `${code(name)}: ${describeOption(schema)}`).join('; ')
}

function describeOption (schema: TSchema): string {
  const { const: only, enum: values, anyOf: kinds, items, type } = Object(schema)
  if (only !== undefined) return code(only)
  if (Array.isArray(values)) return list(values)
  if (Array.isArray(kinds)) return kinds.map(describeOption).join(', ')
  return items === undefined ? String(type) : `a list of ${describeOption(items)}`
}

/** The settings of a provider; a description that ends with a text in parentheses says the default in it. */
function settingsTable (provider: typeof providers[number]): string {
  const rows = Object.entries(variablesOf(provider)).map(([name, schema]) => {
    const { description } = Object(schema)
    const [, meaning = description, standard] = /^(.*) \(([^()]*)\)\.$/s.exec(description) ?? []
    const shown = standard === undefined ? '–' : /\s/.test(standard) ? standard : code(standard)
    return [code(name), standard === undefined ? meaning : `${meaning}.`, shown]
  })
  return table(['variable', 'meaning', 'default'], rows)
}

/** The text with new content between the two comments of this name. */
function fill (text: string, name: string, content: string): string {
  const [begin, end] = [`<!-- ${name}: node scripts/provider-docs.ts -->`, `<!-- /${name} -->`]
  const [before, rest] = text.split(begin)
  const after = rest?.split(end)[1]
  if (before === undefined || after === undefined) throw new Error(`the comments of "${name}" are missing`)
  return `${before}${begin}\n\n${content}\n\n${end}${after}`
}

/** Every document that has generated parts, with these parts renewed. By its path below the root. */
export function renewDocuments (read: (path: string) => string): Map<string, string> {
  const adapters = openEveryAdapter()
  const renewed = new Map<string, string>()
  let configuration = read(docs.configuration)
  for (const provider of providers) {
    const { provider: name } = provider
    const methods = Object.assign({}, ...adapters.filter(each => each.provider === name).map(each => each.methods))
    const page = fill(read(docs.page(name)), 'methods', methodTables(methods))
    renewed.set(docs.page(name), fill(page, 'settings', settingsTable(provider)))
    configuration = fill(configuration, `settings of ${name}`, settingsTable(provider))
  }
  return renewed.set(docs.configuration, configuration)
}

if (import.meta.main) {
  for (const [path, text] of renewDocuments(path => readFileSync(join(root, path), 'utf8'))) {
    writeFileSync(join(root, path), text)
  }
}
