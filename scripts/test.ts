import { glob, mkdir } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { findChromium } from './chromium.ts'
import { findPromtool } from './promtool.ts'
import { findRedis } from './redis.ts'
import { runProgram, runTap, type Counts, type TapResult } from './tap.ts'

/** `short` is `npm test`; `long` is what it leaves out, which is `npm run test:all`. docs/testing.md lists both. */
export type Form = 'short' | 'long'

const everything = 'test/**/*.test.ts'
/** Takes longest, however fast the machine is, so it is started first. */
const soak = 'test/faults/soak.long.test.ts'
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

/** Most files of the short form wait most of the time. A fault test with full load keeps a core busy. */
const jobsPerCore = { short: 2, long: 1 }

/** More files that fail are not run again: so many do not fail by chance. */
const maxAgain = 10
/** How often they are run again. */
const maxRunsAgain = 2
/** No file of the long form starts in the last minutes, because most need less, and what is cut off shows nothing. */
const lastStartMs = 6 * 60_000

const interrupted = new AbortController()

/** How a run differs from that of a developer. */
export type RunOptions = {
  /**
   * The files that fail while others run are run again, one after the other, and only what fails then counts as
   * failed: the machine may have had other work.
   */
  again?: boolean
  /**
   * When everything has ended (ms since the epoch). Files of the long form that did not start or end in time are named,
   * and count as skipped; a short form that did not end has failed.
   */
  until?: number
}

type FormResult = { counts: Counts, problems: string[] }
type FormRun = RunOptions & { args: readonly string[], signal: AbortSignal }

async function filesOf (form: Form): Promise<string[]> {
  const files = await Array.fromAsync(form === 'short' ? glob(everything, { exclude: onlyLong }) : glob(inLongForm))
  return [...new Set(files)].sort((a, b) => Number(b === soak) - Number(a === soak) || (a < b ? -1 : 1))
}

const isOption = (arg: string): boolean => arg.startsWith('-')

/** Problems found; none when the types are right. */
async function checkTypes (): Promise<string[]> {
  // Code for browsers has other global names than code for Node.js.
  const projects = ['.', ...await Array.fromAsync(glob('{packages/*,src/sandbox/page}/tsconfig.json'))]
  const results = await Promise.all(projects.map((project, at) => runProgram('tsc', {
    args: ['-p', project, '--incremental', '--tsBuildInfoFile', join('.tap', `${at}.tsbuildinfo`)],
    signal: interrupted.signal, output: 'returned',
  })))
  const failures = results.filter(({ code }) => code !== 0)
  return failures.map(({ text }) => `${text.trimEnd()}\nThe type check failed (see above).`)
}

/**
 * Runs what failed again, one file after the other, and returns the assertions of all runs: those that failed are the
 * ones of the last run that came to its end.
 */
async function runAgain (
  first: Pick<TapResult, 'counts' | 'failedFiles' | 'problems'>, run: (file: string) => Promise<TapResult>,
): Promise<FormResult> {
  let { failedFiles } = first
  const counts = { ...first.counts }
  let problems = first.problems
  for (let left = maxRunsAgain; left > 0 && failedFiles.length > 0 && failedFiles.length <= maxAgain; left -= 1) {
    console.log(`\nFailed while other files ran, and run again one after the other: ${failedFiles.join(', ')}`)
    const results: TapResult[] = []
    for (const file of failedFiles) results.push(await run(file))
    if (results.some(({ isOver }) => isOver)) {
      console.log('The time was over before they ended, so the failures count.')
      break
    }
    for (const name of ['passed', 'skipped'] as const) counts[name] += sumOf(name, results)
    counts.failed = sumOf('failed', results)
    problems = results.flatMap(result => result.problems)
    failedFiles = results.flatMap(result => result.failedFiles)
  }
  return { counts, problems }
}

const sumOf = (name: keyof Counts, results: readonly { counts: Counts }[]): number =>
  results.reduce((sum, { counts }) => sum + counts[name], 0)

/** Runs the short form, or those of its files that `args` name. */
async function runShort ({ args, signal, again = false }: FormRun): Promise<FormResult> {
  const run = (args: readonly string[], jobs: number): Promise<TapResult> =>
    runTap({ name: 'short', args, jobs, signal, isLong: false, isShown: true })
  const files = args.every(isOption) ? await filesOf('short') : []
  const first = await run([...args, ...files], jobsPerCore.short * availableParallelism())
  if (first.isOver) return { ...first, problems: ['The short form was ended before its end.'] }
  return again ? runAgain(first, file => run([...args.filter(isOption), file], 1)) : first
}

/** Runs the long form, or those of its files that `args` name: each file by itself, a file for each core at a time. */
async function runLong ({ args, signal, again = false, until = Infinity }: FormRun): Promise<FormResult> {
  const run = (file: string): Promise<TapResult> => runTap({
    name: join('long', file), args: [...args.filter(isOption), file], jobs: 1, signal, isLong: true, isShown: false,
  })
  const waiting = args.every(isOption) ? await filesOf('long') : args.filter(arg => !isOption(arg))
  const ended: TapResult[] = []
  const cut: string[] = []
  async function work (): Promise<void> {
    while (waiting.length > 0 && Date.now() < until - lastStartMs && !signal.aborted) {
      const file = waiting.shift() ?? ''
      const result = await run(file)
      if (result.isOver) cut.push(file)
      else ended.push(result)
      console.log(result.isOver ? ` ENDED ${file} before its end` : result.text)
    }
  }
  await Promise.all(Array.from({ length: jobsPerCore.long * availableParallelism() }, work))
  const all = {
    counts: {
      passed: sumOf('passed', ended), failed: sumOf('failed', ended),
      skipped: sumOf('skipped', ended) + waiting.length + cut.length,
    },
    failedFiles: ended.flatMap(({ failedFiles }) => failedFiles),
    problems: ended.flatMap(({ problems }) => problems),
  }
  const result = again ? await runAgain(all, async file => {
    const one = await run(file)
    ended.push(one)
    console.log(one.text)
    return one
  }) : all
  const verdicts = ended.flatMap(({ verdicts }) => verdicts)
  console.log(['', 'Faults, and how the lifecycles ended:', ...verdicts.map(line => `  ${line}`)].join('\n'))
  if (cut.length > 0) console.log(`\nNot ended, because the time is over: ${cut.join(', ')}`)
  if (waiting.length > 0) console.log(`\nNot run, because the time is over: ${waiting.join(', ')}`)
  return result
}

/**
 * Checks the types and meanwhile runs the tests, one form after the other. The last line of the output counts all of
 * them. Resolves with true if nothing failed.
 */
export async function test (
  forms: readonly Form[], args: readonly string[], options: RunOptions = {},
): Promise<boolean> {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => interrupted.abort())
  const { until = Infinity } = options
  const over = until === Infinity ? [] : [AbortSignal.timeout(Math.max(0, until - Date.now()))]
  const signal = AbortSignal.any([interrupted.signal, ...over])
  const counts: Counts = { passed: 0, failed: 0, skipped: 0 }
  const problems: string[] = []
  try {
    await mkdir('.tap', { recursive: true })
    await findRedis()
    if (forms.includes('long')) await findPromtool()
    // Only CI installs a browser: a developer's machine stays as it is.
    if (forms.includes('long') && process.env['CI'] !== undefined) await findChromium()
    const types = checkTypes()
    types.catch(() => {})
    for (const form of forms) {
      const result = await (form === 'short' ? runShort : runLong)({ args, signal, ...options })
      for (const name of ['passed', 'failed', 'skipped'] as const) counts[name] += result.counts[name]
      problems.push(...result.problems)
    }
    problems.push(...await types)
  } catch (error) {
    problems.push(error instanceof Error ? error.message : String(error))
  }
  if (interrupted.signal.aborted) problems.push('Interrupted.')
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
  const minutes = args.flatMap(arg => /^--minutes=(\d+(?:\.\d+)?)$/.exec(arg)?.[1] ?? [])[0]
  const rest = args.filter(arg => !['--short', '--long', '--again', `--minutes=${minutes}`].includes(arg))
  const options = {
    again: args.includes('--again'),
    ...minutes === undefined ? {} : { until: Date.now() + Number(minutes) * 60_000 },
  }
  process.exitCode = await test(forms.length === 0 ? ['short'] : forms, rest, options) ? 0 : 1
}
