import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TSchema } from 'typebox'
import type { Adapter, Method } from '../src/adapters/adapter.ts'
import { providers } from '../src/adapters/index.ts'
import { openAdapters, variablesOf } from '../src/adapters/instances.ts'
import type { Action } from '../src/core/vocabulary.ts'
import { assuranceOf, rate, type RatedAssurance } from '../src/core/assurance.ts'
import { nameOf } from '../src/sandbox/page/numbers.ts'
import { limits, reasonExamples, scenarios, variants } from '../src/sandbox/scenarios.ts'
import { inspectProvidersFile } from '../src/providers.ts'
import { simulators } from '../src/sandbox/simulators.ts'

/**
 * Writes what the documentation repeats of the adapters: the methods in README.md, docs/methods.md, docs/providers/ and
 * docs/configuration.md, the settings in the last two; and in docs/sandbox.md the tables of the simulators. Each stands
 * between two comments, and the text around them is written by people.
 */

const root = join(import.meta.dirname, '..')
const docs = {
  readme: 'README.md', methods: 'docs/methods.md', configuration: 'docs/configuration.md',
  sandbox: 'docs/sandbox.md', page: (provider: string) => `docs/providers/${provider}.md`,
}

/** The text of a document, by its path below the root. */
type Read = (path: string) => string

/** The page of `PROVIDERS_FILE`. */
const ownService = 'your-sms-service'

const unused = (): never => { throw new Error('the documentation does not need this function') }

const io = { openHttp: () => unused, now: unused, randomBytes: unused, allowInsecure: true }
/** Those of the sandbox. */
const settings = (): Record<string, string> =>
  Object.assign({}, ...simulators.map(simulator => simulator.settings('http://127.0.0.1')))

/** The adapters of all providers, with the methods that the sandbox has. They cannot be called. */
const openEveryAdapter = (): Adapter[] => openAdapters(providers, settings(), io)

type Entries = [name: string, method: Method][]

/** Every method of every provider, by its name. */
export const everyMethod = (): Entries =>
  openEveryAdapter().flatMap(adapter => Object.entries(adapter.methods))

/** A method of `PROVIDERS_FILE`, as the file of the sandbox declares it. Its name is the operator's. */
function declaredMethods (): Entries {
  const known = settings()
  const { declared } = inspectProvidersFile({
    providersFile: known['PROVIDERS_FILE'] ?? null, lookUp: name => known[name] ?? null, allowInsecureProviders: true,
  })
  return declared.flatMap(({ provider, env }) =>
    Object.entries(provider.open(env, io, provider.provider)?.methods ?? {}).map(
      ([name, method]): Entries[number] => [name.replace(provider.provider, '<name>'), method]))
}

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

const assuranceOfMethod = ({ assurance }: Method): RatedAssurance => rate(assuranceOf(assurance, {}))
const describeResend = ({ resend }: Method): string =>
  resend === undefined ? '–' : `${resend.times} times, after ${seconds(resend.afterMs)}`
const describeEvidence = ({ evidence }: Method): string =>
  evidence.length === 0 ? '–' : list(evidence.map(kind => kind === 'none' ? '{}' : kind))
const describeNeeds = ({ needsPhoneNumber, needsReturnUrl }: Method): string =>
  [needsPhoneNumber ? 'number' : 'nothing', ...needsReturnUrl === true ? ['`returnUrl`'] : []].join(', ')

/** What each method asks of the user and of the app, and what it proves. */
function proofTable (methods: Entries): string {
  const head = [
    'method', 'the user', 'starts with', '`nextAction`', '`check` accepts', 'level', 'possession', 'binding',
  ]
  const rows = methods.map(([name, method]) => {
    const { level, possession, binding, restricted } = assuranceOfMethod(method)
    return [
      code(name), method.userStep, describeNeeds(method), list(method.nextActions), describeEvidence(method),
      String(level), code(possession), code(binding), yesOrNo(restricted), yesOrNo(method.sendsMessage),
      describeResend(method),
    ]
  })
  return table([...head, 'restricted', 'sends a message', 'resend'], rows)
}

/** How each method runs, and what a workflow can change of it. */
function runTable (methods: Entries): string {
  const rows = methods.map(([name, { timeoutMs, codeAttempts, defaultRank, options }]) => [
    code(name), seconds(timeoutMs), codeAttempts === undefined ? '–' : String(codeAttempts),
    defaultRank === undefined ? '–' : String(defaultRank), describeOptions(options),
  ])
  return table(['method', 'timeout', 'wrong codes', 'default order', 'options'], rows)
}

/** Every method in the order of the default workflow. */
function optionsTable (methods: Entries): string {
  const inOrder = methods.toSorted(([, a], [, b]) => (a.defaultRank ?? Infinity) - (b.defaultRank ?? Infinity) || 0)
  return table(['order', 'method', 'default timeout', 'options'], inOrder.map(
    ([name, { defaultRank, timeoutMs, options }]) =>
      [String(defaultRank ?? '–'), code(name), seconds(timeoutMs), describeOptions(options)]))
}

/** What the user does, by the first `nextAction` of a method, in the order of the README. */
const userSteps: [type: Action['type'], does: string][] = [
  ['openUrlOnCellular', 'does nothing: the phone opens a URL over mobile data'],
  ['approveOnDevice', 'approves a prompt of an app'],
  ['openDeepLink', 'opens a link to an app, and approves there'],
  ['submitToken', 'approves in an SDK of your app'],
  ['submitCode', 'types a code'],
  ['openMessageLink', 'opens the link of a message'],
  ['openUrl', 'signs in with another account'],
  ['answerCall', 'approves in a call'],
]

/** The methods by what the user does and how much that proves. */
function overviewTable (methods: Entries): string {
  const rows = userSteps.flatMap(([type, does]) => {
    const same = methods.filter(([, { nextActions }]) => nextActions[0] === type)
    const byLevel = Map.groupBy(same, ([, method]) => assuranceOfMethod(method).level)
    return [...byLevel].toSorted(([a], [b]) => b - a).map(
      ([level, each]) => [does, String(level), list(each.map(([name]) => name))])
  })
  return table(['the user', 'level', 'methods'], rows)
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
  const { const: only, enum: values, anyOf: kinds, items, type, description } = Object(schema)
  if (typeof description === 'string') return description
  if (only !== undefined) return code(only)
  if (Array.isArray(values)) return list(values)
  if (Array.isArray(kinds)) return kinds.map(describeOption).join(', ')
  return items === undefined ? String(type) : `a list of ${describeOption(items)}`
}

/** The pages of the providers, by their headings. */
const linksToPages = (read: Read): string => `To set up:\n${[
  ...providers.map(({ provider }) => provider), ownService,
].map(provider => {
  const path = docs.page(provider)
  return `[${/^# (.+)$/m.exec(read(path))?.[1] ?? provider}](${path})`
}).join(',\n')}.`

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

/** The tables of src/sandbox/scenarios.ts, by the name of their comment. */
const sandboxTables = (): [name: string, table: string][] => [
  ['suffixes', table(['suffix', 'outcome'], scenarios.map(({ suffix, meaning }) =>
    [/^\d+$/.test(suffix) ? code(suffix) : `other ${suffix}`, meaning]))],
  ['limits', table(['digit', 'the suffix concerns'], limits.map(({ digit, meaning }) => [code(digit), meaning]))],
  ['variants', table(['digits and suffix', 'outcome', 'providers'], variants.map(
    ({ digits, suffix, meaning, providers }) =>
      [code(`${digits}·${suffix}`), meaning, providers.map(nameOf).join(', ')]))],
  ['reasons', table(['reason', 'method', 'number', 'what happens'], reasonExamples.map(
    ({ reason, method, phoneNumber, meaning }) => [code(reason), code(method), code(phoneNumber), meaning]))],
]

/** Every document that has generated parts, with these parts renewed. By its path below the root. */
export function renewDocuments (read: Read): Map<string, string> {
  const all = [...everyMethod(), ...declaredMethods()]
  const renewed = new Map([
    [docs.readme, fill(read(docs.readme), 'methods', `${overviewTable(all)}\n\n${linksToPages(read)}`)],
    [docs.methods, fill(read(docs.methods), 'methods', proofTable(all))],
    [docs.sandbox, sandboxTables().reduce((text, [name, content]) => fill(text, name, content), read(docs.sandbox))],
  ])
  let configuration = fill(read(docs.configuration), 'options', optionsTable(all))
  for (const provider of providers) {
    const { provider: name } = provider
    const methods = all.filter(([method]) => method.startsWith(`${name}.`))
    const page = fill(read(docs.page(name)), 'methods', `${proofTable(methods)}\n\n${runTable(methods)}`)
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
