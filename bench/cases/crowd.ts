import type { Case, CaseContext } from '../case-context.ts'
import { burst, closedLoop, type Load } from '../load.ts'
import { spreadOf } from '../measure.ts'
import type { Measured } from '../processes.ts'
import { nextCreate } from '../requests.ts'
import { capacityOf, createTarget } from './overload.ts'

const latencyMs = 200
const burners = 3
/** A burner ends by itself, whatever happens to the benchmark. */
const burnMs = 60_000

const next = (): string => nextCreate('truid.phone_check')
const refusedOf = ({ statuses, answered }: Load): number =>
  Object.values(statuses).reduce((sum, count) => sum + count, 0) - answered

/** Clients that arrive together, and a provider that takes 200 ms. */
export const crowd: Case = {
  name: 'crowd',
  goals: ['N10', 'N10c', 'N10b', 'N10s'],
  async run (context) {
    const { options, redis } = context
    const { clients } = options
    const provider = await context.startProvider()
    const open = () => context.startGateway({ providerUrl: provider.url })
    const arrive = async (url: string): Promise<Load> => {
      provider.process.send({ delayMs: latencyMs })
      const load = await burst({ url, connections: clients, status: 201, next })
      provider.process.send({ delayMs: 0 })
      return load
    }
    const rounds = Math.min(3, options.rounds)
    const loads: Record<'cold' | 'warm' | 'burned' | 'sustained', Load[]> = {
      cold: [], warm: [], burned: [], sustained: [],
    }
    for (let round = 0; round < rounds; round += 1) {
      const gateway = await open()
      loads.cold.push(await arrive(gateway.url))
      await gateway.process.stop()
    }
    const gateway = await open()
    const { cpuMicros } = await capacityOf(createTarget(context, gateway, 'truid.phone_check'), context)
    await redis.flush()
    for (let round = 0; round < rounds; round += 1) loads.warm.push(await arrive(gateway.url))

    provider.process.send({ delayMs: latencyMs })
    const many = { url: gateway.url, status: 201, connections: clients, next }
    for (let round = 0; round < rounds; round += 1) {
      loads.sustained.push(await closedLoop({ ...many, durationMs: options.roundMs * 2 }))
    }
    const { rss } = await gateway.process.usage()
    context.addFigure('crowdMb', rss / 2 ** 20)

    const burning = startBurners(context)
    for (let round = 0; round < rounds; round += 1) loads.burned.push(await arrive(gateway.url))
    await Promise.all(burning.map(burner => burner.stop()))

    context.record('crowd', { clients, cpuMicros, ...loads })
    for (const [goal, name] of [['N10', 'warm'], ['N10c', 'cold'], ['N10b', 'burned']] as const) {
      const p99 = spreadOf(loads[name].map(({ p99Ms }) => p99Ms)).median
      context.addFinding(goal, spreadOf(loads[name].map(refusedOf)), { note: `p99 ${(p99 / 1000).toFixed(1)} s` })
    }
    const most = Math.min(clients / latencyMs * 1000, 1e6 / cpuMicros)
    const served = loads.sustained.map(({ answered, durationMs }) => answered / durationMs * 1000)
    context.addFinding('N10s', spreadOf(served.map(rate => rate / most)), {
      note: `again and again: ${Math.round(spreadOf(served).median)}/s ÷ ${Math.round(most)}/s, `
        + `${loads.sustained.reduce((sum, load) => sum + refusedOf(load), 0)} refused`,
    })
  },
}

function startBurners (context: CaseContext): Measured[] {
  const script = `for (const end = Date.now() + ${burnMs}; Date.now() < end;);`
  return Array.from({ length: burners }, () => context.startProgram(
    { name: 'CPU burner', program: [process.execPath, '-e', script], core: 'server' },
  ))
}
