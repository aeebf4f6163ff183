import { open, readFile, realpath, rename, rm, stat } from 'node:fs/promises'
import { parseArgs, parseEnv } from 'node:util'
import { collectMethods, type Methods } from '../src/adapters/guard.ts'
import { providers } from '../src/adapters/index.ts'
import { openAdapters } from '../src/adapters/instances.ts'
import { summarizeApps } from '../src/api/operations/summary.ts'
import { keyIdOf, type App } from '../src/apps/apps.ts'
import { inspectApps } from '../src/apps/apps-file.ts'
import { readConfig } from '../src/config.ts'
import { createAppsFileChecks } from '../src/verifications/apps-file-checks.ts'
import { makeKey } from './key.ts'
import { everyMethod } from './provider-docs.ts'

const usage = `npm run -s apps -- check FILE [--env-file=FILE]
npm run -s apps -- add FILE --id=ID [--name=NAME] [--scope=SCOPE …]

check: validates an apps file, prints what each app may do, and each error with its path in the file. With the
environment of a gateway, a method of a provider without credentials is an error, too.
add: adds an app with a new API key, which is printed once.
`

/** What each app may do, one line for each fact. */
export function describeApps (apps: readonly App[], now: number): string {
  return apps.map(app => {
    const { expiredKeys, testNumbers } = summarizeApps([app], now)
    const listed = Object.keys(app.testNumbers ?? {}).length
    const facts: [name: string, value: string | undefined][] = [
      ...app.keys.map((key): [string, string] => {
        const id = keyIdOf(key)
        const ends = key.expiresAt === undefined ? '' : ` until ${key.expiresAt}`
        return ['key', `${id}: ${key.scopes.join(', ') || 'nothing'}${ends}${
          expiredKeys.includes(`${app.id}/${id}`) ? ' (expired)' : ''}`]
      }),
      ['workflow', app.workflow?.map(step => typeof step === 'string' ? step : step.method).join(', then ')],
      ['countries', listOf(app.allowedCountries)],
      ['not countries', listOf(app.deniedCountries)],
      ['return URLs', listOf(app.allowedReturnUrls)],
      ['origins', listOf(app.allowedOrigins)],
      ['webhook', app.webhook === undefined ? undefined : URL.parse(app.webhook.url)?.origin],
      ['test numbers', listed === 0 ? undefined : `${testNumbers}${
        testNumbers === listed ? '' : `, and ${listed - testNumbers} expired`}`],
    ]
    const lines = facts.flatMap(([name, value]) => value === undefined ? [] : [`  ${name}: ${value}\n`])
    return `${app.id} (${app.name})\n${lines.join('')}`
  }).join('')
}

const listOf = (values: readonly string[] | undefined): string | undefined => values?.join(', ')

/**
 * The text with one more app at its end; the rest stays as it is. Throws an `Error` where the result would not be an
 * apps file.
 */
export function addApp (text: string, app: App): string {
  const trimmed = (text.trim() || '[]').replace(/\s*\]$/, '')
  const [, unit = '  '] = /^\[\s*\n([ \t]+)\S/.exec(trimmed) ?? []
  const entry = JSON.stringify(app, null, unit).replaceAll(/^/gm, unit)
  const result = `${trimmed}${trimmed === '[' ? '' : ','}\n${entry}\n]\n`
  const [problem] = [...text.trim() === '' ? [] : inspectApps(text).problems, ...inspectApps(result).problems]
  if (problem !== undefined) throw new Error(`nothing is written: the file${problem}`)
  return result
}

/**
 * Writes a new file beside it and renames it, so that no reader ever sees a part. The new file is also a lock, so that
 * two commands at once lose no change.
 */
async function changeFile (path: string, change: (text: string) => string): Promise<void> {
  const target = await realpath(path).catch(() => path)
  const draft = `${target}.new`
  const file = await open(draft, 'wx', 0o640).catch((error: unknown) => {
    throw codeOf(error) !== 'EEXIST' ? error : new Error(
      `nothing is written: another command is changing the file. If none runs any more, remove ${draft}`,
    )
  })
  try {
    const text = await readFile(target, 'utf8').catch((error: unknown) => {
      if (codeOf(error) === 'ENOENT') return ''
      throw error
    })
    await file.writeFile(change(text))
    // The gateway must still be able to read it, also when another user adds an app.
    const before = await stat(target).catch(() => null)
    if (before !== null) {
      await file.chmod(before.mode & 0o777)
      await file.chown(before.uid, before.gid)
    }
    await rename(draft, target)
  } catch (error) {
    await rm(draft)
    throw error
  } finally {
    await file.close()
  }
}

const codeOf = (error: unknown): unknown => error instanceof Error && 'code' in error ? error.code : null

/** The methods of the configured providers; without a configuration those of all. */
async function methodsOf (file: string | undefined): Promise<Methods> {
  if (file === undefined) return new Map(everyMethod())
  const { settings, allowInsecureProviders: allowInsecure } = readConfig({
    ...parseEnv(await readFile(file, 'utf8')), APPS_FILE: 'none',
  })
  const unused = (): never => { throw new Error('no provider is called') }
  return collectMethods(openAdapters(providers, settings, {
    openHttp: () => unused, now: unused, randomBytes: unused, allowInsecure,
  }))
}

async function run (args: string[]): Promise<0 | 1> {
  const { values, positionals: [command, path, ...more] } = parseArgs({
    args, allowPositionals: true,
    options: {
      'env-file': { type: 'string' }, id: { type: 'string' }, name: { type: 'string' },
      scope: { type: 'string', multiple: true, default: [] },
    },
  })
  if (path === undefined || more.length > 0) throw new Error(usage)
  if (command === 'check') {
    const checks = createAppsFileChecks(await methodsOf(values['env-file']))
    const { apps, problems } = inspectApps(await readFile(path, 'utf8'), checks)
    process.stdout.write(describeApps(apps, Date.now()))
    for (const problem of problems) process.stderr.write(`wrong: ${path}${problem}\n`)
    return problems.length === 0 ? 0 : 1
  }
  if (command !== 'add' || values.id === undefined) throw new Error(usage)
  const { key, entry } = makeKey(values.scope)
  const app = { id: values.id, name: values.name ?? values.id, keys: [entry] }
  await changeFile(path, text => addApp(text, app))
  process.stdout.write(`API key of ${values.id}, shown only now: give it to the app's server.\n${key}\n`)
  return 0
}

if (import.meta.main) {
  try {
    process.exitCode = await run(process.argv.slice(2))
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
    process.exitCode = 1
  }
}
