import { execFile, type ExecFileOptions } from 'node:child_process'
import { promisify } from 'node:util'

const runFile = promisify(execFile)

/**
 * Runs a program to its end, without the hooks of tap and the compile cache of the test run: the path of the cache is
 * relative, and some programs do not start with the hooks.
 */
export const run = (
  command: string, args: readonly string[], options: ExecFileOptions,
): Promise<{ stdout: string, stderr: string }> =>
  runFile('env', ['-u', 'NODE_OPTIONS', '-u', 'NODE_COMPILE_CACHE', command, ...args], { ...options, encoding: 'utf8' })
