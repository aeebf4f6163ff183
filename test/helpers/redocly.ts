import { execFile } from 'node:child_process'
import { join } from 'node:path'

const cli = join(import.meta.dirname, '../../node_modules/@redocly/cli/bin/cli.js')
const env = { ...process.env, REDOCLY_TELEMETRY: 'off', REDOCLY_SUPPRESS_UPDATE_NOTICE: 'true', NO_COLOR: '1' }

/** Runs Redocly CLI: `code` is its exit code, `stdout` what a command such as `bundle` makes. */
export const redocly = async (...args: string[]): Promise<{ code: number, stdout: string, output: string }> =>
  new Promise(resolve => {
    const child = execFile(process.execPath, [cli, ...args], { env, maxBuffer: Infinity }, (_error, stdout, stderr) => {
      resolve({ code: child.exitCode ?? 1, stdout, output: stdout + stderr })
    })
  })
