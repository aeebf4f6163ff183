import { parseDocument } from 'yaml'
import Value from 'typebox/value'
import type { Provider } from '../adapter.ts'
import { readAnswer } from './answer.ts'
import { findContradictions, type Surroundings } from './problems.ts'
import { codeLengthOf, declare, valuesOf, variablesIn } from './provider.ts'
import { writeRequest } from './request.ts'
import { type Entry, findMisshapen, type Problem, ProvidersFile } from './schema.ts'
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
  // A byte order mark, with which editors of Windows begin a file, is not YAML.
  const document = parseDocument(text.replace(/^\uFEFF/, ''), { logLevel: 'silent' })
  const [error] = [...document.errors, ...document.warnings]
  if (error !== undefined) {
    const { line = 0, col = 0 } = error.linePos?.[0] ?? {}
    return { declared: [], problems: [` cannot be read: it is not JSON or YAML (line ${line} column ${col})`] }
  }
  const parsed: unknown = read(document)
  const problems = problemsOf(parsed, surroundings)
  if (problems.length > 0) {
    return { declared: [], problems: [...new Set(problems.map(({ path, message }) => `${path} ${message}`))] }
  }
  const entries = Value.Parse(ProvidersFile, parsed)
  return { declared: entries.map(entry => withEnv(entry, surroundings)), problems: [] }
}

/** Aliases that refer to each other can grow without bounds: `yaml` throws then. */
function read (document: ReturnType<typeof parseDocument>): unknown {
  try {
    return document.toJS({ maxAliasCount: 100 })
  } catch {
    return null
  }
}

function problemsOf (file: unknown, surroundings: Surroundings): Problem[] {
  const entries: unknown[] = Array.isArray(file) ? file : []
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
