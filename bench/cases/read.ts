import { sendMany } from '../load.ts'
import { alternate, pick } from '../measure.ts'
import { read } from '../requests.ts'
import type { Case } from '../case-context.ts'
import { compareCpu, createMany } from './create.ts'

const records = 1_000

/** Returns the items in order, again and again. */
export function cycle<T> (items: readonly T[]): () => T {
  let at = -1
  return () => {
    const item = items[at = (at + 1) % items.length]
    if (item === undefined) throw new Error('no items')
    return item
  }
}

/** Reads of a verification, compared with one GET of a text that is sent unchanged. */
export const reading: Case = {
  name: 'read',
  goals: ['P3'],
  async run (context) {
    const { options, redis } = context
    const provider = await context.startProvider()
    const gateway = await context.startGateway({ providerUrl: provider.url })
    const baseline = await context.startBaseline('read')
    const ids = (await createMany(gateway.url, records)).map(({ id }) => id)
    let text = ''
    await sendMany(
      {
        url: gateway.url, count: 1, status: 200, next: () => read(ids[0] ?? ''),
        onAnswer: ({ body }) => { text = body.toString() },
      },
    )
    await redis.client.mset(new Map(ids.map(id => [`raw:${id}`, text])))
    const prepare = (): (() => string) => cycle(ids.map(id => read(id)))
    const targets = {
      raw: context.target('Fastify and one GET', baseline, { status: 200, prepare }),
      ours: context.target('read', gateway, { status: 200, prepare }),
    }
    const samples = await alternate(targets, redis, { ...options, keepData: true })
    context.record('50 connections', samples)
    context.addFinding('P3', ...compareCpu(pick(samples.raw, 'cpuMicros'), pick(samples.ours, 'cpuMicros')))
    for (const connections of [1, 8]) context.record(
      `${connections} connections`,
      await alternate(
        targets, redis, { ...options, roundMs: options.roundMs / 2, warmupRequests: 100, keepData: true, connections },
      ),
    )
  },
}
