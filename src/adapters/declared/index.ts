import { parseDocument } from 'yaml'
import Value from 'typebox/value'
import type { Provider } from '../adapter.ts'
import { readAnswer } from './answer.ts'
import { findContradictions, type Surroundings } from './problems.ts'
import { codeLengthOf, declare, valuesOf, variablesIn } from './provider.ts'
import { writeRequest } from './request.ts'
import { type Entry, findMisshapen, maxProviders, type Problem, ProvidersFile } from './schema.ts'
import { segmentsOf } from './text.ts'

export { codeLengthOf, ProvidersFile, readAnswer, segmentsOf, valuesOf, writeRequest }
export type { Entry, Surroundings }

/** A provider of the file, with the entry and the environment that it was made of. */
export type Declared = { entry: Entry, provider: Provider, env: Readonly<Record<string, string>> }

/**
 * The providers in the text of a providers file (JSON or YAML), and everything that is wrong with it, all at once: each
 * begins with its path in the file (`/0/request/url …`), or with a blank where it has none. No value is shown. With
 * problems there are no providers.
 */
export function inspectProviders (text: string, surroundings: Surroundings): {
  declared: Declared[], problems: string[],
} {
  const read = readFile(text)
  const problems = 'unreadable' in read
    ? [{ path: '', message: `cannot be read: ${read.unreadable}` }]
    : problemsOf(read.file, surroundings)
  if ('unreadable' in read || problems.length > 0) {
    return { declared: [], problems: [...new Set(problems.map(({ path, message }) => `${path} ${message}`))] }
  }
  const entries = Value.Parse(ProvidersFile, read.file)
  return { declared: entries.map(entry => withEnv(entry, surroundings)), problems: [] }
}

/** Far above what the entries of a list need; a longer file would take seconds. */
const maxLength = 1024 * 1024

/** The value of the file, or why it has none. The messages of `yaml` show parts of the file, so none is used. */
function readFile (text: string): { file: unknown } | { unreadable: string } {
  if (text.length > maxLength) return { unreadable: 'it is longer than 1 MiB' }
  // A byte order mark, with which editors of Windows begin a file, is not YAML. A silent parser ignores a second list.
  const document = parseDocument(text.replace(/^\uFEFF/, ''), { logLevel: 'error' })
  const [error] = [...document.errors, ...document.warnings]
  if (error !== undefined) {
    const { line = 0, col = 0 } = error.linePos?.[0] ?? {}
    return { unreadable: `${meanings.get(error.code) ?? 'it is not JSON or YAML'} (line ${line} column ${col})` }
  }
  try {
    // Aliases can grow without bounds; `yaml` throws then. An alias of what it stands in never ends.
    const file: unknown = document.toJS({ maxAliasCount: 100 })
    JSON.stringify(file)
    return { file }
  } catch {
    return { unreadable: 'it has an alias (*) that refers to nothing or to itself, or too many of them' }
  }
}

/** What an error code of `yaml` means where the file is YAML, and still not what is read here. */
const meanings = new Map<string, string>([
  ['DUPLICATE_KEY', 'a member is there twice'],
  ['MULTIPLE_DOCS', 'it must be one document, without --- between its parts'],
  ['TAB_AS_INDENT', 'a line begins with a tab: use spaces'],
  ['TAG_RESOLVE_FAILED', 'it has a tag (!), which is not known here'],
])

function problemsOf (file: unknown, surroundings: Surroundings): Problem[] {
  const entries: unknown[] = Array.isArray(file) ? file.slice(0, maxProviders) : []
  const names = entries.map(
    entry => typeof entry === 'object' && entry !== null ? Reflect.get(entry, 'name') : undefined,
  )
  return [
    ...findMisshapen(ProvidersFile, file),
    ...entries.flatMap((entry, index) => [
      ...findContradictions(entry, surroundings),
      ...typeof names[index] === 'string' && names.indexOf(names[index]) < index
        ? [{ path: '/name', message: 'is there twice: each provider needs a name of its own' }]
        : [],
    ].map(({ path, message }) => ({ path: `/${index}${path}`, message }))),
  ]
}

function withEnv (entry: Entry, { lookUp }: Surroundings): Declared {
  const env = Object.fromEntries(variablesIn(entry).map(name => [name, lookUp(name) ?? '']))
  return { entry, provider: declare(entry), env }
}
