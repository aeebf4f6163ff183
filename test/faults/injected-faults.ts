import { readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { GatewayProcess } from '../helpers/process.ts'

type Teardown = { teardown (run: () => unknown): void }

/** What nobody can do to a process from outside: this module, loaded by the process itself before its own, does it. */
export type ProcessFault =
  /** The event loop turns no more for so long. */
  | { block: number }
  /** The wall clock is off by so much from now on. */
  | { clock: number }
  /** An error that nobody catches. */
  | { fail: 'throw' | 'reject' }

export type FaultInjector = {
  /** For the environment of the process. */
  environment: Record<string, string>
  /** Does it, now. */
  inject (gateway: GatewayProcess, harm: ProcessFault): Promise<void>
}

/**
 * An intruder for one process. The test tells it by a file what to do, and by SIGWINCH, which nothing else uses, when.
 */
export async function createFaultInjector (t: Teardown): Promise<FaultInjector> {
  const folder = await mkdtemp(join(tmpdir(), 'verigate-intruder-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const path = join(folder, 'harm.json')
  return {
    environment: { NODE_OPTIONS: `--import=${import.meta.url}`, INTRUDER: path },
    async inject (gateway, harm) {
      await writeFile(path, JSON.stringify(harm))
      gateway.signal('SIGWINCH')
    },
  }
}

function begin (path: string): void {
  const { now: right } = Date
  let aheadMs = 0
  const read = (): ProcessFault => JSON.parse(readFileSync(path, 'utf8'))
  const act = (harm: ProcessFault): void => {
    if ('block' in harm) {
      const until = performance.now() + harm.block
      while (performance.now() < until);
    } else if ('clock' in harm) {
      aheadMs = harm.clock
    } else {
      const error = new Error('nobody expects this')
      if (harm.fail === 'throw') throw error
      void Promise.reject(error)
    }
  }
  Date.now = () => right() + aheadMs
  globalThis.Date = new Proxy(Date, {
    construct: (target, args: unknown[]) => Reflect.construct(target, args.length === 0 ? [target.now()] : args),
  })
  process.on('SIGWINCH', () => act(read()))
}

const path = process.env['INTRUDER']
if (path !== undefined) begin(path)
