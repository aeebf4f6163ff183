import { spawn } from 'node:child_process'
import { createReadStream } from 'node:fs'
import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { Parser } from 'tap-parser'
import type { FinalResults, Result } from 'tap-parser'

/** Assertions of a run. Those marked `todo` count as skipped. */
export type Counts = { passed: number, failed: number, skipped: number }

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

/** The oracle of the fault tests summarizes like this: `<fault>: <n> lifecycles (<ends>), lost 0, …`. */
const verdict = /^\s*# (.+: \d+ lifecycles .*)$/gm
/** The lines in which the reporter sums up what is summed up over all runs. */
const summary = /^(?:Asserts:|Suites:|#).*\n?/gm
const escapeCodes = /\x1b\[[?\d;]*[a-zA-Z]/g

/** How long a program that was told to end may take to clean up. */
const endingMs = 10_000

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

type Runnable = {
  args: readonly string[], signal: AbortSignal, env?: Record<string, string>, output?: 'shown' | 'returned'
}

/**
 * Runs a program of node_modules to its end. When the signal is aborted, ends it together with all that it started;
 * `code` is then null.
 */
export async function runProgram (command: string, { args, signal, env = {}, output = 'shown' }: Runnable): Promise<{
  code: number | null, text: string,
}> {
  if (signal.aborted) return { code: null, text: '' }
  // Without a terminal there is no screen to redraw: CI makes the reporter write each line once.
  const isRedrawn = process.stdout.isTTY && output === 'shown'
  const out = output === 'shown' ? 'inherit' : 'pipe'
  const child = spawn(process.execPath, [join('node_modules', '.bin', command), ...args], {
    env: { ...process.env, ...isRedrawn ? {} : { CI: 'true' }, ...env }, stdio: ['ignore', out, out], detached: true,
  })
  const endAll = (name: NodeJS.Signals): void => {
    // It leads a process group, so that no server of a test survives it.
    try { process.kill(-(child.pid ?? 0), name) } catch {}
  }
  const end = (): void => {
    endAll('SIGTERM')
    setTimeout(endAll, endingMs, 'SIGKILL').unref()
  }
  signal.addEventListener('abort', end, { once: true })
  let text = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (chunk: string) => { text += chunk })
  }
  const code = await new Promise<number>((resolve, reject) =>
    child.once('error', reject).once('exit', code => resolve(code ?? 1)))
  signal.removeEventListener('abort', end)
  if (signal.aborted) endAll('SIGKILL')
  return { code: signal.aborted ? null : code, text }
}

/** `isOver`: it was ended before its end, and its counts are not meaningful. `text`: what it reported, if not shown. */
export type TapResult = {
  counts: Counts, failedFiles: string[], problems: string[], isOver: boolean, text: string, verdicts: string[],
}

/** `name`: of the stream, `.tap/<name>.tap`. `args`: files, and options of `tap run`. */
export type TapRun = {
  name: string, args: readonly string[], jobs: number, signal: AbortSignal, isLong: boolean, isShown: boolean
}

/** Runs test files. */
export async function runTap ({ name, args, jobs, signal, isLong, isShown }: TapRun): Promise<TapResult> {
  const stream = join('.tap', `${name}.tap`)
  await rm(stream, { force: true })
  const measuresCoverage = args.includes('--show-full-coverage')
  const { code, text } = await runProgram('tap', {
    args: [
      'run', `--output-file=${stream}`, `--jobs=${jobs}`,
      ...process.stdout.isTTY && isShown ? [] : ['--reporter=base'],
      ...measuresCoverage ? [] : ['--disable-coverage'],
      ...args,
    ],
    env: {
      ...isLong ? { FAULTS: 'long' } : {},
      // V8 counts coverage less exactly in code from the cache.
      ...measuresCoverage ? {} : { NODE_COMPILE_CACHE: compileCache, NODE_OPTIONS: withoutRecords },
    },
    signal, output: isShown ? 'shown' : 'returned',
  })
  const { failedFiles, ...counts } = await countAssertions(stream)
  const written = await readFile(stream, 'utf8').catch(() => '')
  const isUnexplained = code !== 0 && code !== null && counts.failed === 0
  return {
    counts, failedFiles, isOver: code === null, text: text.replace(escapeCodes, '').replace(summary, '').trim(),
    problems: isUnexplained ? [`The test run ended with exit code ${code}.`] : [],
    verdicts: [...written.matchAll(verdict)].map(([, line = '']) => line),
  }
}
