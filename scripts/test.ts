import { spawn } from 'node:child_process'
import { createReadStream, existsSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { Parser } from 'tap-parser'
import type { FinalResults, Result } from 'tap-parser'
import { findPromtool } from './promtool.ts'
import { findRedis } from './redis.ts'

/** Assertions of a run. What is marked `todo` counts as skipped. */
export type Counts = { passed: number, failed: number, skipped: number }

/** The stream of the last run. */
export const tapStream = join('.tap', 'run.tap')

/**
 * Counts the assertions of a TAP stream. A file that failed without a failed assertion (it crashed, was killed, timed
 * out) counts as one failure.
 * So does a stream that is missing, empty or cut off.
 */
export async function countAssertions (path: string): Promise<Counts> {
  const counts: Counts = { passed: 0, failed: 0, skipped: 0 }
  const blamed = new Set<string>()
  const parser = new Parser()
  parser.on('pass', () => { counts.passed++ })
  parser.on('skip', () => { counts.skipped++ })
  parser.on('todo', () => { counts.skipped++ })
  parser.on('fail', (result: Result) => {
    counts.failed++
    blamed.add(result.fullname.split(' > ')[0] ?? '')
  })
  const results = await new Promise<FinalResults | null>(resolve => {
    parser.on('complete', resolve)
    const stream = createReadStream(path, 'utf8')
    stream.on('error', () => resolve(null)).on('data', text => parser.write(String(text))).on('end', () => parser.end())
  })
  for (const failure of results?.failures ?? []) {
    if ('name' in failure && !blamed.has(failure.name)) counts.failed++
  }
  if ((results?.ok !== true || counts.passed + counts.skipped === 0) && counts.failed === 0) counts.failed = 1
  return counts
}

/**
 * Types, then tests; `args` go to `tap run`. `conclude` may say something before what was counted, which is the last
 * line. True if nothing failed.
 */
export async function test (args: readonly string[], conclude: () => Promise<void> = async () => {}): Promise<boolean> {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => interrupted.abort())
  const counts: Counts = { passed: 0, failed: 0, skipped: 0 }
  const problems: string[] = []
  try {
    await findRedis()
    if (existsSync(join('ops', 'prometheus'))) await findPromtool()
    const types = await run('tsc', ['-p', '.'])
    await rm(tapStream, { force: true })
    const reporter = process.stdout.isTTY ? [] : ['--reporter=base']
    const tests = await run('tap', ['run', `--output-file=${tapStream}`, ...reporter, ...args])
    Object.assign(counts, await countAssertions(tapStream))
    await conclude()
    if (tests !== 0 && counts.failed === 0) problems.push(`The test run ended with exit code ${tests}.`)
    if (types !== 0) problems.push('The type check failed (see above).')
  } catch (error) {
    problems.push(error instanceof Error ? error.message : String(error))
  }
  for (const problem of problems) console.log(problem)
  const failed = counts.failed + problems.length
  // The reporter may leave a line unfinished.
  console.log(`\n${counts.passed} passed, ${failed} failed${counts.skipped > 0 ? `, ${counts.skipped} skipped` : ''}`)
  return failed === 0
}

/**
 * Resolves with the exit code of a program of node_modules. A signal goes to it, too; what it stops is counted as
 * failed, and nothing is started after it.
 */
async function run (command: string, args: readonly string[]): Promise<number> {
  if (interrupted.signal.aborted) throw new Error('Interrupted.')
  // Without a terminal there is no screen to redraw: CI makes the reporter write each line once.
  const env = process.stdout.isTTY ? process.env : { ...process.env, CI: 'true' }
  const child = spawn(
    process.execPath, [join('node_modules', '.bin', command), ...args],
    { env, stdio: ['ignore', 'inherit', 'inherit'] },
  )
  interrupted.signal.addEventListener('abort', () => child.kill('SIGTERM'), { once: true })
  return await new Promise((resolve, reject) => child.once('error', reject).once('close', code => resolve(code ?? 1)))
}

const interrupted = new AbortController()

if (import.meta.main) {
  process.exitCode = await test(process.argv.slice(2)) ? 0 : 1
}
