import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { startChild, type Ending } from '../../scripts/child.ts'
import { variables } from '../../src/config.ts'

type Teardown = { teardown (run: () => unknown): void }

/** A process that runs `node src/main.ts`. */
export type GatewayProcess = {
  pid: number
  /**
   * Resolves with the address in the log line "listening"; rejects with the last output if the process ends before it.
   */
  listening: Promise<string>
  /** The lines on stdout. */
  logs: string[]
  /** The lines on stderr. */
  complaints: string[]
  /** Sends a signal to this process only. */
  signal (name: NodeJS.Signals): void
  /** Sends SIGKILL; resolves once the process has ended. */
  kill (): Promise<Ending>
  /** Resolves once the process has ended and its output was read: exit code, or 128 + n after signal n. */
  ended: Promise<Ending>
}

/**
 * tap adds its hooks to each child, for coverage. A gateway then takes half as long again to start. What the test
 * itself wants to load stays.
 */
function withoutHooks (ownOptions: string | undefined): string[] {
  if (process.env['TAP_DISABLE_COVERAGE'] !== '1') return []
  return ['env', ...ownOptions === undefined ? ['-u', 'NODE_OPTIONS'] : [`NODE_OPTIONS=${ownOptions}`]]
}
const entry = fileURLToPath(new URL('../../src/main.ts', import.meta.url))

/**
 * Starts a gateway process with exactly this environment (see `testEnvironment`); it ends with the test, and with this
 * process.
 * `main`: the entry of another version.
 */
export function startProcess (
  t: Teardown, environment: Record<string, string>, { main = entry } = {},
): GatewayProcess {
  const inherited = Object.entries(process.env).filter(
    ([name]) => !(name in variables) && name !== 'NODE_OPTIONS',
  )
  const env = { ...Object.fromEntries(inherited), ...environment }
  const [command = '', ...args] = [...withoutHooks(environment['NODE_OPTIONS']), process.execPath, main]
  const child = startChild(command, args, { env, stdio: ['ignore', 'pipe', 'pipe'] })
  const { pid, stdout, stderr, ended } = child
  if (pid === undefined || stdout === null || stderr === null) throw new Error('the process could not be started')
  t.teardown(() => child.stop(0))

  const logs: string[] = []
  const complaints: string[] = []
  createInterface(stderr).on('line', line => complaints.push(line))
  const listening = new Promise<string>((resolve, reject) => {
    createInterface(stdout).on('line', line => {
      logs.push(line)
      if (!line.includes('"listening"')) return
      const { msg, address } = readLine(line)
      if (msg === 'listening' && typeof address === 'string') resolve(address)
    })
    void ended.then(({ code }) => {
      const said = [...logs, ...complaints].slice(-5).join('\n')
      reject(new Error(`ended with ${code} before it listened: ${said}`))
    })
  })
  listening.catch(() => {})
  const signal = (name: NodeJS.Signals): void => { process.kill(pid, name) }
  return {
    pid, listening, logs, complaints, ended, signal,
    kill () {
      signal('SIGKILL')
      return ended
    },
  }
}

/** Parses a log line. */
export function readLine (line: string): Record<string, unknown> {
  const parsed: unknown = JSON.parse(line)
  return typeof parsed === 'object' && parsed !== null ? { ...parsed } : {}
}

/** Starts a gateway process and waits until it listens. */
export async function startListening (...args: Parameters<typeof startProcess>): Promise<GatewayProcess> {
  const started = startProcess(...args)
  await started.listening
  return started
}
