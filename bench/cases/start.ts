import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import { untilReady } from '../gateway.ts'
import { spreadOf } from '../measure.ts'
import type { Case } from '../case-context.ts'

const idleMs = 2_000

/** From the process start to ready, and the memory then. A previous start compiled the code, as in the image. */
export const start: Case = {
  name: 'start',
  goals: ['P20', 'P20b'],
  async run (context) {
    const provider = await context.startProvider()
    const figures = {
      uncompiledMs: new Array<number>(), listeningMs: new Array<number>(), readyMs: new Array<number>(),
      cpuMs: new Array<number>(), idleMb: new Array<number>(),
    }
    const compiled = await mkdtemp(join(tmpdir(), 'verigate-compiled-'))
    for (let round = -1; round < context.options.rounds; round += 1) {
      const { url, environment } = await context.environmentOf({ providerUrl: provider.url, role: 'all' })
      const startedAt = performance.now()
      const process = context.startProcess(
        {
          name: 'gateway', script: new URL('../../src/main.ts', import.meta.url), core: 'server',
          env: { ...environment, NODE_COMPILE_CACHE: compiled }, stdout: 'pipe',
        },
      )
      await new Promise<void>((resolve, reject) => {
        if (process.stdout === null) return reject(new Error('no stdout'))
        createInterface(process.stdout).on(
          'line', line => { if (line.includes('"listening"')) resolve() },
        ).on('close', () => reject(new Error('the gateway ended before it listened')))
      })
      const listeningMs = performance.now() - startedAt
      await untilReady(url)
      if (round < 0) {
        figures.uncompiledMs.push(performance.now() - startedAt)
        await process.stop()
        continue
      }
      figures.listeningMs.push(listeningMs)
      figures.readyMs.push(performance.now() - startedAt)
      figures.cpuMs.push((await process.usage()).cpuMicros / 1000)
      await delay(context.options.name === 'smoke' ? 100 : idleMs)
      figures.idleMb.push((await process.usage()).rss / 2 ** 20)
      await process.stop()
    }
    await rm(compiled, { recursive: true })
    context.record('start', figures)
    context.addFinding('P20', spreadOf(figures.readyMs), `${Math.round(spreadOf(figures.cpuMs).median)} ms of CPU`)
    context.addFinding('P20b', spreadOf(figures.idleMb))
  },
}
