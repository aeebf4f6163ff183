import type { Case } from '../case-context.ts'
import { measure, meanOf, medianOf, noiseOf, pick, ratioOf, warmUp, type Sample, type Target } from '../measure.ts'
import { createMany, cycle, nextCreate, read } from '../requests.ts'
import { formatMicros, startFloor } from './floor.ts'

const records = 1_000
const kinds = ['create', 'call', 'read'] as const
type Kind = (typeof kinds)[number]
type Rounds = Record<'first' | 'second' | 'whole', Sample[]>
const goalOf = { create: 'N1', call: 'N2', read: 'N3' } as const

/** Two copies of ours, the floor, and its parts in one process, in alternation: create, create with a call, read. */
export const requests: Case = {
  name: 'requests',
  goals: ['N1', 'N2', 'N3'],
  async run (context) {
    const { options, redis } = context
    const floor = await startFloor(context, kinds)
    const provider = await context.startProvider()
    const gateways = [
      await context.startGateway({ providerUrl: provider.url }),
      await context.startGateway({ providerUrl: provider.url }),
    ] as const
    const ids: string[] = []
    for (const { url } of gateways) await createMany(url, records, ({ id }) => ids.push(id))
    const targetsOf = (gateway: (typeof gateways)[number]): Record<Kind, Target> => ({
      create: context.target('create', gateway, { status: 201, prepare: () => () => nextCreate('truecaller.web') }),
      call: context.target(
        'create with a provider call', gateway, { status: 201, prepare: () => () => nextCreate('truid.phone_check') },
      ),
      read: context.target('read', gateway, { status: 200, prepare: () => cycle(ids.map(read)) }),
    })
    const copies = [targetsOf(gateways[0]), targetsOf(gateways[1])] as const
    const wholeOf = (kind: Kind): Target => context.target(
      `the floor of ${kind} in one process`, floor.assembled,
      { status: kind === 'read' ? 200 : 201, prepare: () => cycle(floor.assembled.requestsOf(kind)) },
    )
    const wholes: Record<Kind, Target> = { create: wholeOf('create'), call: wholeOf('call'), read: wholeOf('read') }
    const all = [
      floor.post, floor.get, ...[wholes, ...copies].flatMap(targets => kinds.map(kind => targets[kind])),
    ]
    for (const target of all) await warmUp(target, redis, options.warmupRequests)

    const floors: Record<Kind, number>[] = []
    const noSamples = (): Rounds => ({ first: [], second: [], whole: [] })
    const samples: Record<Kind, Rounds> = { create: noSamples(), call: noSamples(), read: noSamples() }
    const length = { durationMs: options.roundMs }
    for (let round = 0; round < options.rounds; round += 1) {
      const post = await measure(floor.post, redis, length)
      const get = await measure(floor.get, redis, length)
      floors.push(await floor.round({ post: post.cpuMicros, get: get.cpuMicros }))
      for (const kind of kinds) {
        samples[kind].whole.push(await measure(wholes[kind], redis, length))
        samples[kind].first.push(await measure(copies[0][kind], redis, length))
        samples[kind].second.push(await measure(copies[1][kind], redis, length))
      }
    }
    context.record('floors', floors)
    context.record('50 connections', samples)
    for (const kind of kinds) {
      const { first, second, whole } = samples[kind]
      const cpu = { first: pick(first, 'cpuMicros'), second: pick(second, 'cpuMicros') }
      const [least, wholeMicros] = [pick(floors, kind), pick(whole, 'cpuMicros')]
      const note = `${formatMicros(meanOf(cpu))} ÷ ${formatMicros(least)}; the parts of the floor in one process: `
        + formatMicros(wholeMicros)
      context.addFinding(goalOf[kind], ratioOf(meanOf(cpu), least), { note, noise: noiseOf(cpu) })
      context.addFigure(`${kind}Micros`, medianOf(meanOf(cpu)))
      context.addFigure(`${kind}RedisMicros`, medianOf(pick([...first, ...second], 'redisMicros')))
      context.addFigure(`${kind}FloorMicros`, medianOf(least))
      context.addFigure(`${kind}WholeMicros`, medianOf(wholeMicros))
    }
    const usages = await Promise.all(gateways.map(({ process }) => process.usage()))
    context.addFigure('loadedMb', Math.max(...usages.map(({ rss }) => rss)) / 2 ** 20)
  },
}
