import { setTimeout as delay } from 'node:timers/promises'
import { measureLifecycles, startDriver } from '../lifecycles.ts'
import type { Case } from '../case-context.ts'

type MemorySample = { minute: number, rssMb: number, heapMb: number, redisMb: number }

/** The growth of a figure per hour: the slope of the least-squares line. */
export function slopePerHour (looks: readonly MemorySample[], key: 'rssMb' | 'heapMb' | 'redisMb'): number {
  const mean = (values: number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length
  const [minutes, values] = [mean(looks.map(({ minute }) => minute)), mean(looks.map(look => look[key]))]
  const [over, under] = looks.reduce(
    ([over, under], look) => [
      over + (look.minute - minutes) * (look[key] - values), under + (look.minute - minutes) ** 2,
    ],
    [0, 0],
  )
  return over / under * 60
}

/**
 * Lifecycles for `--soak` minutes, and the memory meanwhile. Records expire after a minute, so that the size of Redis
 * stabilizes soon, except for the counters of numbers, which last an hour.
 */
export const soak: Case = {
  name: 'soak',
  goals: [],
  isOnlyByName: true,
  async run (context) {
    const { options, redis } = context
    const minutes = options.soakMinutes
    const driver = await startDriver()
    try {
      const provider = await context.startProvider()
      const gateway = await context.startGateway(
        {
          providerUrl: provider.url, role: 'all', webhookUrl: driver.webhookUrl,
          environment: { RETENTION_SECONDS: '60' },
        },
      )
      provider.process.send({ gatewayUrl: gateway.url })
      const looks: MemorySample[] = []
      const startedAt = performance.now()
      let lifecycles = 0
      while (performance.now() - startedAt < minutes * 60_000) {
        await measureLifecycles(
          { ...gateway, driver }, redis, { count: 1_000, inFlight: 20 },
        )
        lifecycles += 1_000
        await delay(100)
        const [{ rss, heapUsed }, dataset] = await Promise.all(
          [gateway.process.usage({ collect: true }), redis.datasetBytes()],
        )
        looks.push(
          {
            minute: (performance.now() - startedAt) / 60_000, rssMb: rss / 2 ** 20, heapMb: heapUsed / 2 ** 20,
            redisMb: dataset / 2 ** 20,
          },
        )
      }
      // In the first third, caches and compiled code reach their size.
      const settled = looks.slice(Math.floor(looks.length / 3))
      const slopes = {
        rssMb: slopePerHour(settled, 'rssMb'), heapMb: slopePerHour(settled, 'heapMb'),
        redisMb: slopePerHour(settled, 'redisMb'),
      }
      context.record('soak', { minutes, lifecycles, slopesPerHour: slopes, looks })
      const last = looks.at(-1)
      const grown = (name: string, mb: number | undefined, slope: number): string =>
        `${name} ${mb?.toFixed(1)} MB (${slope.toFixed(1)} MB/h)`
      const sizes = [
        grown('heap', last?.heapMb, slopes.heapMb), grown('resident', last?.rssMb, slopes.rssMb),
        grown('Redis', last?.redisMb, slopes.redisMb),
      ]
      context.say(`  ${lifecycles} lifecycles in ${minutes} min: ${sizes.join(', ')}`)
    } finally {
      await driver.close()
    }
  },
}
