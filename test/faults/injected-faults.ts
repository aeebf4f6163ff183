import { readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { GatewayProcess } from '../helpers/process.ts'

type Teardown = { teardown (run: () => unknown): void }

/** Faults that cannot be caused from outside the process: this module is preloaded into it and causes them. */
export type ProcessFault =
  /** Blocks the event loop for so many ms. */
  | { block: number }
  /** Shifts the wall clock by so many ms. */
  | { clock: number }
  /** Raises an uncaught error. */
  | { fail: 'throw' | 'reject' }

export type FaultInjector = {
  /** For the environment of the process. */
  environment: Record<string, string>
  /** Causes the fault at once. */
  inject (gateway: GatewayProcess, fault: ProcessFault): Promise<void>
}

/** An injector for one process. A file says which fault; SIGWINCH, which nothing else uses, says when. */
export async function createFaultInjector (t: Teardown): Promise<FaultInjector> {
  const folder = await mkdtemp(join(tmpdir(), 'verigate-faults-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const path = join(folder, 'fault.json')
  return {
    environment: { NODE_OPTIONS: `--import=${import.meta.url}`, FAULT_FILE: path },
    async inject (gateway, fault) {
      await writeFile(path, JSON.stringify(fault))
      gateway.signal('SIGWINCH')
    },
  }
}

function begin (path: string): void {
  const { now: right } = Date
  let aheadMs = 0
  const read = (): ProcessFault => JSON.parse(readFileSync(path, 'utf8'))
  const act = (fault: ProcessFault): void => {
    if ('block' in fault) {
      const until = performance.now() + fault.block
      while (performance.now() < until);
    } else if ('clock' in fault) {
      aheadMs = fault.clock
    } else {
      const error = new Error('uncaught, for the test')
      if (fault.fail === 'throw') throw error
      void Promise.reject(error)
    }
  }
  Date.now = () => right() + aheadMs
  globalThis.Date = new Proxy(Date, {
    construct: (target, args: unknown[]) => Reflect.construct(target, args.length === 0 ? [target.now()] : args),
  })
  process.on('SIGWINCH', () => act(read()))
}

const path = process.env['FAULT_FILE']
if (path !== undefined) begin(path)
