import type { Case, CaseContext } from '../case-context.ts'
import { measureLifecycles, startDriver } from '../lifecycles.ts'
import { spreadOf } from '../measure.ts'
import { createMany } from '../requests.ts'

const counts = { whole: 20_000, quick: 5_000, smoke: 200 }

/** The content of a key by its name: `vg:{q0}<kind>…`. */
const kindOf = (key: string): string => (
  { r: 'record', t: 'table', i: 'index', n: 'counter', d: 'due' }
)[/^vg:\{\w+\}(\w)/.exec(key)?.[1] ?? ''] ?? 'other'

/** The number of keys of each kind, and the mean size (`MEMORY USAGE`) of a sample. */
async function weighKeys (
  { redis: { client } }: CaseContext,
): Promise<Record<string, { keys: number, bytes: number }>> {
  const kinds: Record<string, { keys: number, bytes: number, weighed: number }> = {}
  let cursor = '0'
  do {
    const [next, keys] = await client.scan(cursor, 'COUNT', 5000)
    cursor = next
    for (const key of keys) {
      const kind = kinds[kindOf(key)] ??= { keys: 0, bytes: 0, weighed: 0 }
      kind.keys += 1
      if (kind.weighed >= 300) continue
      kind.weighed += 1
      kind.bytes += Number(await client.memory('USAGE', key))
    }
  } while (cursor !== '0')
  return Object.fromEntries(
    Object.entries(kinds).map(
      ([kind, { keys, bytes, weighed }]) => [kind, { keys, bytes: Math.round(bytes / weighed) }],
    ),
  )
}

/** What a verification needs in Redis, while it is live and when it is final, and in the append-only file. */
export const memory: Case = {
  name: 'memory',
  goals: ['N11'],
  async run (context) {
    const { options, redis } = context
    const provider = await context.startProvider()
    const gateway = await context.startGateway({ providerUrl: provider.url })
    const count = counts[options.name]
    await createMany(gateway.url, 100, () => {})
    await redis.flush()
    await createMany(gateway.url, 100, () => {})
    const before = await redis.datasetBytes()
    await createMany(gateway.url, count, () => {})
    const bytes = (await redis.datasetBytes() - before) / count
    const weights = await weighKeys(context)
    const records = weights['record']?.keys ?? 0
    context.record('bytes by kind of key', weights)
    const note = Object.entries(weights).map(
      ([kind, { keys, bytes }]) => `${(keys / records).toFixed(2)} ${kind} keys of ${bytes} B`,
    ).join(', ')
    context.addFinding('N11', spreadOf([bytes]), { note })
    context.addFigure('liveBytes', bytes)
    await weighFinal(context, count / 10)
  },
}

/** With a delivered webhook, and with the append-only file of a production Redis. */
async function weighFinal (context: CaseContext, count: number): Promise<void> {
  const driver = await startDriver()
  try {
    const redis = await context.startRedis({ persistent: true })
    const provider = await context.startProvider()
    const gateway = await context.startGateway(
      { providerUrl: provider.url, role: 'all', webhookUrl: driver.webhookUrl, redis },
    )
    provider.process.send({ gatewayUrl: gateway.url })
    const run = (count: number) =>
      measureLifecycles({ ...gateway, driver }, redis, { count, inFlight: 20 })
    await run(100)
    const before = [await redis.datasetBytes(), await redis.appendOnlyBytes()] as const
    await run(count)
    context.addFigure('finalBytes', (await redis.datasetBytes() - before[0]) / count)
    context.addFigure('appendOnlyBytes', (await redis.appendOnlyBytes() - before[1]) / count)
  } finally {
    await driver.close()
  }
}
