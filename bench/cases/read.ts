import { sendMany } from '../load.ts'
import { alternate, pick, ratioOf } from '../measure.ts'
import { read } from '../requests.ts'
import type { Case } from '../stage.ts'
import { createMany, tell } from './create.ts'

const kept = 1_000

/** Goes round and round. */
export function cycle<T> (items: readonly T[]): () => T {
  let at = -1
  return () => {
    const item = items[at = (at + 1) % items.length]
    if (item === undefined) throw new Error('there are none')
    return item
  }
}

/** Reading a verification: against one GET of a text that is sent as it is. */
export const reading: Case = {
  name: 'read',
  goals: ['P3'],
  async run (stage) {
    const { options, redis } = stage
    const provider = await stage.startProvider()
    const gateway = await stage.startGateway({ providerUrl: provider.url })
    const anchor = await stage.startAnchor('read')
    const ids = (await createMany(gateway.url, kept)).map(({ id }) => id)
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
      raw: stage.target('Fastify and one GET', anchor, { status: 200, prepare }),
      ours: stage.target('read', gateway, { status: 200, prepare }),
    }
    const samples = await alternate(targets, redis, { ...options, keeps: true })
    stage.note('50 connections', samples)
    const [raw, ours] = [pick(samples.raw, 'cpuMicros'), pick(samples.ours, 'cpuMicros')]
    stage.find('P3', ratioOf(raw, ours), `${tell(raw)} ÷ ${tell(ours)}`)
    for (const connections of [1, 8]) stage.note(
      `${connections} connections`,
      await alternate(
        targets, redis, { ...options, roundMs: options.roundMs / 2, warmupRequests: 100, keeps: true, connections },
      ),
    )
  },
}
