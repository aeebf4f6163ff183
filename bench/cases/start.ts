import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import { untilReady } from '../gateway.ts'
import { spreadOf } from '../measure.ts'
import type { Case } from '../stage.ts'

const idleMs = 2_000

/**
 * From the start of the process to ready, and what it takes then: with its code compiled by a start before, as it is in
 * the image.
 */
export const start: Case = {
  name: 'start',
  goals: ['P20', 'P20b'],
  async run (stage) {
    const provider = await stage.startProvider()
    const figures = {
      uncompiledMs: new Array<number>(), listeningMs: new Array<number>(), readyMs: new Array<number>(),
      cpuMs: new Array<number>(), idleMb: new Array<number>(),
    }
    const compiled = await mkdtemp(join(tmpdir(), 'verigate-compiled-'))
    for (let round = -1; round < stage.options.rounds; round += 1) {
      const { url, environment } = await stage.environmentOf({ providerUrl: provider.url, role: 'all' })
      const startedAt = performance.now()
      const process = stage.startProcess(
        {
          name: 'gateway', script: new URL('../../src/main.ts', import.meta.url), core: 'server',
          env: { ...environment, NODE_COMPILE_CACHE: compiled }, stdout: 'pipe',
        },
      )
      await new Promise<void>((resolve, reject) => {
        if (process.stdout === null) return reject(new Error('no stdout'))
        createInterface(process.stdout).on(
          'line', line => { if (line.includes('"listening"')) resolve() },
        ).on('close', () => reject(new Error('it ended before it listened')))
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
      await delay(stage.options.name === 'smoke' ? 100 : idleMs)
      figures.idleMb.push((await process.usage()).rss / 2 ** 20)
      await process.stop()
    }
    await rm(compiled, { recursive: true })
    stage.note('start', figures)
    stage.find('P20', spreadOf(figures.readyMs), `${Math.round(spreadOf(figures.cpuMs).median)} ms of CPU`)
    stage.find('P20b', spreadOf(figures.idleMb))
  },
}
