import { closeSync, openSync, writeSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

type Teardown = { teardown (run: () => unknown): void }

/** One clock for several processes, which the test can advance. Redis and timers keep the real time. */
export type Clock = {
  /** For each process that uses this clock. */
  environment: Record<string, string>
  now (): number
  advance (ms: number): void
}

export async function createClock (t: Teardown): Promise<Clock> {
  const folder = await mkdtemp(join(tmpdir(), 'verigate-clock-'))
  const path = join(folder, 'ahead')
  const file = openSync(path, 'w')
  let aheadMs = 0
  const write = (): void => {
    const bytes = Buffer.alloc(8)
    bytes.writeDoubleLE(aheadMs)
    writeSync(file, bytes, 0, 8, 0)
  }
  write()
  t.teardown(async () => {
    closeSync(file)
    await rm(folder, { recursive: true, force: true })
  })
  return {
    environment: { CLOCK_FILE: path, NODE_OPTIONS: `--import=${new URL('clock-skew.ts', import.meta.url).href}` },
    now: () => Date.now() + aheadMs,
    advance (ms) {
      aheadMs += ms
      write()
    },
  }
}
