import { mkdtemp } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Case, CaseContext } from '../case-context.ts'
import { untilReady } from '../gateway.ts'
import { meanOf, medianOf, noiseOf, ratioOf, spreadOf, type Copies } from '../measure.ts'

/** The version before there was a bundle, 2026-11-26. */
const published = { cpuMs: 1028 }
/** What the Dockerfile starts the bundle with. */
const imageOptions = ['--min-semi-space-size=8']
const settleMs = 1_000
const idleMs = { whole: 4_000, quick: 2_000, smoke: 50 }

type StartSample = { cpuMs: number, readyMs: number, idleMb: number, idleMsPerSecond: number, redisMsPerSecond: number }

/**
 * From the start of the process to ready, and what it needs when idle. For another version, which has no bundle, a
 * previous start has compiled the code, as in its image. Measured from outside.
 */
export const start: Case = {
  name: 'start',
  goals: ['N8', 'N8m', 'N8i'],
  async run (context) {
    const { options } = context
    const provider = await context.startProvider()
    const cache = await mkdtemp(join(context.dir, 'compiled-'))
    const ours = { main: context.main, cache: '' }
    const other = options.against === null ? null : { main: join(options.against, 'src', 'main.ts'), cache }
    const run = (version: typeof ours, isIdle: boolean): Promise<StartSample> =>
      startOnce(context, { ...version, providerUrl: provider.url, isIdle })
    if (other !== null) await run(other, false)
    const first: StartSample[] = []
    const second: StartSample[] = []
    const others: StartSample[] = []
    for (let round = 0; round < options.rounds; round += 1) {
      first.push(await run(ours, round < 3))
      if (other !== null) others.push(await run(other, false))
      second.push(await run(ours, false))
    }
    context.record('start', { first, second, others })
    const cpu: Copies = { first: first.map(({ cpuMs }) => cpuMs), second: second.map(({ cpuMs }) => cpuMs) }
    const earlier = other === null ? meanOf(cpu).map(() => published.cpuMs) : others.map(({ cpuMs }) => cpuMs)
    const source = other === null ? 'published for another machine' : 'started by turns'
    context.addFinding('N8', ratioOf(meanOf(cpu), earlier), {
      note: `${Math.round(medianOf(meanOf(cpu)))} ms ÷ ${Math.round(medianOf(earlier))} ms (${source})`,
      noise: noiseOf(cpu),
    })
    const idle = first.filter(({ idleMb }) => !Number.isNaN(idleMb))
    context.addFinding('N8m', spreadOf(idle.map(({ idleMb }) => idleMb)))
    context.addFinding('N8i', spreadOf(idle.map(({ idleMsPerSecond }) => idleMsPerSecond)))
    context.addFigure('startCpuMs', medianOf(meanOf(cpu)))
    context.addFigure('startMs', medianOf([...first, ...second].map(({ readyMs }) => readyMs)))
    context.addFigure('idleMb', medianOf(idle.map(({ idleMb }) => idleMb)))
    context.addFigure('idleMsPerSecond', medianOf(idle.map(({ idleMsPerSecond }) => idleMsPerSecond)))
    context.addFigure('idleRedisMsPerSecond', medianOf(idle.map(({ redisMsPerSecond }) => redisMsPerSecond)))
  },
}

async function startOnce (context: CaseContext, { main, cache, providerUrl, isIdle }: {
  main: string, cache: string, providerUrl: string, isIdle: boolean,
}): Promise<StartSample> {
  const { redis, options } = context
  const { url, environment } = await context.environmentOf({ providerUrl, role: 'all' })
  const startedAt = performance.now()
  const gateway = context.startProgram({
    name: 'gateway', program: [process.execPath, ...cache === '' ? imageOptions : [], main], core: 'server',
    env: { ...environment, NODE_ENV: 'production', ...cache === '' ? {} : { NODE_COMPILE_CACHE: cache } },
  })
  await Promise.race([untilReady(url), gateway.ended])
  const readyMs = performance.now() - startedAt
  const { cpuMicros } = await gateway.usage()
  const sample = {
    cpuMs: cpuMicros / 1000, readyMs, idleMb: NaN, idleMsPerSecond: NaN, redisMsPerSecond: NaN,
  }
  if (isIdle) {
    await delay(options.name === 'smoke' ? 0 : settleMs)
    const idleSince = performance.now()
    const [before, redisBefore] = [await gateway.usage(), await redis.usage()]
    await delay(idleMs[options.name])
    const [after, redisAfter] = [await gateway.usage(), await redis.usage()]
    const seconds = (performance.now() - idleSince) / 1000
    sample.idleMb = after.rss / 2 ** 20
    sample.idleMsPerSecond = (after.cpuMicros - before.cpuMicros) / 1000 / seconds
    sample.redisMsPerSecond = (redisAfter.cpuMicros - redisBefore.cpuMicros) / 1000 / seconds
  }
  await gateway.stop()
  return sample
}
