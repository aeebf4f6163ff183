import { spawn } from 'node:child_process'
import { createReadStream } from 'node:fs'
import { glob, readFile, rm } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { Parser } from 'tap-parser'
import type { FinalResults, Result } from 'tap-parser'
import { findChromium } from './chromium.ts'
import { findPromtool } from './promtool.ts'
import { findRedis } from './redis.ts'

/** Assertions of a run. Those marked `todo` count as skipped. */
export type Counts = { passed: number, failed: number, skipped: number }

/** `short` is `npm test`; `long` is what it leaves out, which is `npm run test:all`. docs/testing.md lists both. */
export type Form = 'short' | 'long'

const everything = 'test/**/*.test.ts'
/** These files run in the long form only: of the faults those that need most of the time, and a browser. */
const onlyLong = [
  'test/{bench,deploy,ops}/**/*.test.ts', 'test/faults/*.long.test.ts', 'test/scripts/test.test.ts',
  'test/client/{flows,generators,package}.test.ts', 'test/conformance/package.test.ts',
  'test/faults/{callback,callback-killed,durability,endpoint,poison,provider,redis-killed,redis-refuses}.test.ts',
  'test/faults/{rolling,sentinel,shutdown,stalls,storm,versions}.test.ts',
  'test/{element/element,sandbox/page,docs/web-guide}.test.ts',
]
/** The long form repeats the fault tests with more load, more windows and longer outages. */
const inLongForm = [...onlyLong, 'test/faults/*.test.ts']
/**
 * Compiled sources, shared by all processes of a run: most of the time that a process needs to start is compilation.
 * Absolute, because some of them run in a folder that is deleted while they still write to the cache.
 */
const compileCache = join(import.meta.dirname, '..', 'node_modules', '.cache', 'compiled')

/**
 * tap records each file that a process loads, which is needed for coverage only, and costs every test file a third of a
 * second. This excludes all files.
 */
const withoutRecords = "--import=data:text/javascript,process.env._TAPJS_PROCESSINFO_EXCLUDE_='/./'"

/** Most files of the short form wait most of the time. A fault test with full load keeps a core busy. */
const jobsPerCore = { short: 2, long: 1 }

/** The oracle of the fault tests summarizes like this: `<fault>: <n> lifecycles (<ends>), lost 0, …`. */
const verdict = /^\s*# (.+: \d+ lifecycles .*)$/

const interrupted = new AbortController()

/**
 * Counts the assertions of a TAP stream. A file that failed without a failed assertion (it crashed, was killed, timed
 * out) counts as one failure. A stream that is missing, empty or cut off is one failure, too.
 */
export async function countAssertions (path: string): Promise<Counts & { failedFiles: string[] }> {
  const counts: Counts = { passed: 0, failed: 0, skipped: 0 }
  const filesWithFailures = new Set<string>()
  const parser = new Parser()
  parser.on('pass', () => { counts.passed++ })
  parser.on('skip', () => { counts.skipped++ })
  parser.on('todo', () => { counts.skipped++ })
  parser.on('fail', (result: Result) => {
    counts.failed++
    filesWithFailures.add(result.fullname.split(' > ')[0] ?? '')
  })
  const results = await new Promise<FinalResults | null>(resolve => {
    parser.on('complete', resolve)
    const stream = createReadStream(path, 'utf8')
    stream.on('error', () => resolve(null)).on('data', text => parser.write(String(text))).on('end', () => parser.end())
  })
  for (const failure of results?.failures ?? []) {
    if (!('name' in failure) || filesWithFailures.has(failure.name)) continue
    counts.failed++
    filesWithFailures.add(failure.name)
  }
  if ((results?.ok !== true || counts.passed + counts.skipped === 0) && counts.failed === 0) counts.failed = 1
  return { ...counts, failedFiles: [...filesWithFailures] }
}

const filesOf = async (form: Form): Promise<string[]> => [...new Set(
  await Array.fromAsync(form === 'short' ? glob(everything, { exclude: onlyLong }) : glob(inLongForm)),
)]

type Runnable = { args: readonly string[], env?: Record<string, string>, output?: 'shown' | 'returned' }

/** Runs a program of node_modules to its end. SIGTERM stops it when this process is interrupted. */
async function run (command: string, { args, env = {}, output = 'shown' }: Runnable): Promise<{
  code: number, text: string,
}> {
  if (interrupted.signal.aborted) throw new Error('Interrupted.')
  // Without a terminal there is no screen to redraw: CI makes the reporter write each line once.
  const inherited = process.stdout.isTTY ? process.env : { ...process.env, CI: 'true' }
  const out = output === 'shown' ? 'inherit' : 'pipe'
  const child = spawn(process.execPath, [join('node_modules', '.bin', command), ...args], {
    env: { ...inherited, ...env }, stdio: ['ignore', out, out],
  })
  interrupted.signal.addEventListener('abort', () => child.kill('SIGTERM'), { once: true })
  let text = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (chunk: string) => { text += chunk })
  }
  const code = await new Promise<number>((resolve, reject) =>
    child.once('error', reject).once('close', code => resolve(code ?? 1)))
  return { code, text }
}

/** Problems found; none when the types are right. */
async function checkTypes (): Promise<string[]> {
  // Code for browsers has other global names than code for Node.js.
  const projects = ['.', ...await Array.fromAsync(glob('{packages/*,src/sandbox/page}/tsconfig.json'))]
  const results = await Promise.all(projects.map((project, at) => run('tsc', {
    args: ['-p', project, '--incremental', '--tsBuildInfoFile', join('.tap', `${at}.tsbuildinfo`)], output: 'returned',
  })))
  const failures = results.filter(({ code }) => code !== 0)
  return failures.map(({ text }) => `${text.trimEnd()}\nThe type check failed (see above).`)
}

/** The most files that are run again: more do not fail by chance. */
const maxAgain = 5
/** How often they are run again. */
const maxRunsAgain = 2

type FormResult = { counts: Counts, problems: string[] }

/** How a run differs from that of a developer. */
export type RunOptions = {
  /**
   * The files that fail while others run are run again, one after the other, and only what fails then counts as
   * failed: the machine may have had other work.
   */
  again?: boolean
  /** When no more files of the long form are started (ms since the epoch). Those left out are named. */
  until?: number
}

/** This many files of the long form are started together when the time for them is limited. */
const filesAtOnce = 8

/** Runs the files of the long form for which there is time. */
async function runWhileTime (
  args: readonly string[], { until = Infinity, ...options }: RunOptions,
): Promise<FormResult> {
  const sum: FormResult = { counts: { passed: 0, failed: 0, skipped: 0 }, problems: [] }
  const files = await filesOf('long')
  while (files.length > 0 && Date.now() < until) {
    const { counts, problems } = await runForm('long', [...args, ...files.splice(0, filesAtOnce)], options)
    for (const name of ['passed', 'failed', 'skipped'] as const) sum.counts[name] += counts[name]
    sum.problems.push(...problems)
  }
  if (files.length > 0) console.log(`\nNot run, because the time is over: ${files.join(', ')}`)
  return sum
}

/** Runs a form, or those of its files that `args` name. */
async function runForm (form: Form, args: readonly string[], { again = false }: RunOptions): Promise<FormResult> {
  const options = args.filter(arg => arg.startsWith('-'))
  const counts: Counts = { passed: 0, failed: 0, skipped: 0 }
  let { failedFiles, ...last } = await runFiles(form, args)
  for (let left = again ? maxRunsAgain : 0; ; left -= 1) {
    for (const name of ['passed', 'skipped'] as const) counts[name] += last.counts[name]
    counts.failed = last.counts.failed
    if (left === 0 || failedFiles.length === 0 || failedFiles.length > maxAgain) break
    console.log(`\nFailed while other files ran, and run again one after the other: ${failedFiles.join(', ')}`)
    const next = await runFiles(form, [...options, ...failedFiles], { jobs: 1 })
    failedFiles = next.failedFiles
    last = next
  }
  return { counts, problems: last.problems }
}

/** Runs the test files of a form, or those that `args` name; further `args` are options of `tap run`. */
async function runFiles (
  form: Form, args: readonly string[], { jobs = jobsPerCore[form] * availableParallelism() } = {},
): Promise<FormResult & { failedFiles: string[] }> {
  const stream = join('.tap', `${form}.tap`)
  await rm(stream, { force: true })
  const hasFiles = args.some(arg => !arg.startsWith('-'))
  const measuresCoverage = args.includes('--show-full-coverage')
  const { code } = await run('tap', {
    args: [
      'run', `--output-file=${stream}`, `--jobs=${jobs}`,
      ...process.stdout.isTTY ? [] : ['--reporter=base'],
      ...measuresCoverage ? [] : ['--disable-coverage'],
      ...args, ...hasFiles ? [] : await filesOf(form),
    ],
    env: {
      ...form === 'long' ? { FAULTS: 'long' } : {},
      // V8 counts coverage less exactly in code from the cache.
      ...measuresCoverage ? {} : { NODE_COMPILE_CACHE: compileCache, NODE_OPTIONS: withoutRecords },
    },
  })
  const { failedFiles, ...counts } = await countAssertions(stream)
  if (form === 'long') await printVerdicts(stream)
  const isUnexplained = code !== 0 && counts.failed === 0
  return { counts, failedFiles, problems: isUnexplained ? [`The test run ended with exit code ${code}.`] : [] }
}

async function printVerdicts (stream: string): Promise<void> {
  const text = await readFile(stream, 'utf8').catch(() => '')
  const lines = text.split('\n').flatMap(line => verdict.exec(line)?.[1] ?? [])
  console.log(['', 'Faults, and how the lifecycles ended:', ...lines.map(line => `  ${line}`)].join('\n'))
}

/**
 * Checks the types and meanwhile runs the tests, one form after the other. The last line of the output counts all of
 * them. Resolves with true if nothing failed.
 */
export async function test (
  forms: readonly Form[], args: readonly string[], options: RunOptions = {},
): Promise<boolean> {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => interrupted.abort())
  const counts: Counts = { passed: 0, failed: 0, skipped: 0 }
  const problems: string[] = []
  try {
    await findRedis()
    if (forms.includes('long')) await findPromtool()
    // Only CI installs a browser: a developer's machine stays as it is.
    if (forms.includes('long') && process.env['CI'] !== undefined) await findChromium()
    const types = checkTypes()
    types.catch(() => {})
    for (const form of forms) {
      const isLimited = form === 'long' && options.until !== undefined
      const result = await (isLimited ? runWhileTime(args, options) : runForm(form, args, options))
      for (const name of ['passed', 'failed', 'skipped'] as const) counts[name] += result.counts[name]
      problems.push(...result.problems)
    }
    problems.push(...await types)
  } catch (error) {
    problems.push(error instanceof Error ? error.message : String(error))
  }
  if (counts.passed + counts.failed === 0 && problems.length === 0) problems.push('No test was run.')
  for (const problem of problems) console.log(problem)
  const failed = counts.failed + problems.length
  // The reporter may leave a line unfinished.
  console.log(`\n${counts.passed} passed, ${failed} failed${counts.skipped > 0 ? `, ${counts.skipped} skipped` : ''}`)
  return failed === 0
}

if (import.meta.main) {
  const args = process.argv.slice(2)
  const forms = (['short', 'long'] as const).filter(form => args.includes(`--${form}`))
  const minutes = args.flatMap(arg => /^--minutes=(\d+)$/.exec(arg)?.[1] ?? [])[0]
  const rest = args.filter(arg => !['--short', '--long', '--again', `--minutes=${minutes}`].includes(arg))
  const options = {
    again: args.includes('--again'),
    ...minutes === undefined ? {} : { until: Date.now() + Number(minutes) * 60_000 },
  }
  process.exitCode = await test(forms.length === 0 ? ['short'] : forms, rest, options) ? 0 : 1
}
