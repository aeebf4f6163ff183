import { spawn } from 'node:child_process'
import type { ChildProcess, StdioOptions } from 'node:child_process'
import { constants } from 'node:os'
import type { Readable } from 'node:stream'

/** How a process ended: its exit code, 128 + n after signal n, 127 if it could not be started. */
export type Ending = { code: number }

/** A process that ends no later than this one. */
export type Child = {
  pid: number | undefined
  stdout: Readable | null
  stderr: Readable | null
  /** Resolves once the process has ended and its output was read; never rejects. */
  ended: Promise<Ending>
  /** SIGTERM, and SIGKILL after `graceMs` (10 000). Resolves once the process has ended. */
  stop (graceMs?: number): Promise<Ending>
}

export type ChildOptions = {
  cwd?: string, env?: NodeJS.ProcessEnv, uid?: number, gid?: number, stdio: StdioOptions,
}

/** The standard input of this shell script closes when this process ends, even by SIGKILL. */
const watch =
  'read _; kill "$0" || exit; for _ in 1 2 3 4 5 6 7 8 9 10; do sleep 1; kill -0 "$0" || exit; done; kill -9 "$0"'

/**
 * Starts a process in its own process group: Ctrl-C in a terminal reaches only this process, which then ends its
 * children in order. A small shell watches this process, and ends the child if this process dies without doing so.
 */
export function startChild (command: string, args: readonly string[], options: ChildOptions): Child {
  const child = spawn(command, args, { ...options, detached: true })
  const watcher = child.pid === undefined ? undefined : startWatcher(child.pid)
  const ended = new Promise<Ending>(resolve => {
    child.once('error', () => { if (child.pid === undefined) resolve({ code: 127 }) })
    child.once('exit', () => watcher?.kill('SIGKILL'))
    child.once(
      'close', (code, signal) => resolve({ code: code ?? 128 + (signal === null ? 0 : constants.signals[signal]) }),
    )
  })
  return {
    pid: child.pid,
    stdout: child.stdout,
    stderr: child.stderr,
    ended,
    async stop (graceMs = 10_000) {
      child.kill('SIGTERM')
      const force = setTimeout(() => child.kill('SIGKILL'), graceMs)
      try {
        return await ended
      } finally {
        clearTimeout(force)
      }
    },
  }
}

function startWatcher (pid: number): ChildProcess {
  const watcher = spawn('sh', ['-c', watch, String(pid)], { detached: true, stdio: ['pipe', 'ignore', 'ignore'] })
  for (const emitter of [watcher, watcher.stdin]) emitter.on('error', () => {})
  return watcher
}
