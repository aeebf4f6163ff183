import { sendMany } from '../load.ts'
import { alternate, pick, ratioOf, spreadOf, type Spread, type Target } from '../measure.ts'
import { nextCreate } from '../requests.ts'
import type { Case } from '../case-context.ts'

const web = () => nextCreate('truecaller.web')
const webWithoutNumber = () => nextCreate('truecaller.web', { withNumber: false })

/** A create without a provider call, compared with bare Fastify and with one script. */
export const create: Case = {
  name: 'create',
  goals: ['P1', 'P1b', 'P13'],
  async run (context) {
    const { options, redis } = context
    const provider = await context.startProvider()
    const gateway = await context.startGateway({ providerUrl: provider.url })
    const post = (next: () => string): Pick<Target, 'status' | 'prepare'> => ({ status: 201, prepare: () => next })
    const targets = {
      bare: context.target('bare Fastify', await context.startBaseline('bare'), post(web)),
      script: context.target('Fastify and one script', await context.startBaseline('create'), post(web)),
      ours: context.target('create', gateway, post(web)),
      withoutNumber: context.target('create without a number', gateway, post(webWithoutNumber)),
    }
    const samples = await alternate(targets, redis, options)
    context.record('50 connections', samples)
    const cpu = (name: keyof typeof targets): number[] => pick(samples[name], 'cpuMicros')
    context.addFinding('P1', ...compareCpu(cpu('script'), cpu('ours')))
    const [ratio, note] = compareCpu(cpu('bare'), cpu('ours'))
    context.addFinding('P1b', ratio, `${note}; without a number ${formatMicros(cpu('withoutNumber'))}`)

    const added: number[] = []
    for (const connections of [1, 8]) {
      const some = await alternate(
        targets, redis, { ...options, roundMs: options.roundMs / 2, warmupRequests: 100, connections },
      )
      context.record(`${connections} connections`, some)
      if (connections === 1) added.push(...pick(some.ours, 'p50Ms').map((ms, at) => ms - (some.bare[at]?.p50Ms ?? NaN)))
    }
    context.addFinding('P13', spreadOf(added))
  },
}

/** A create whose response waits for the provider. */
export const providerCall: Case = {
  name: 'provider-call',
  goals: ['P2'],
  async run (context) {
    const { options, redis } = context
    const provider = await context.startProvider()
    const baseline = await context.startBaseline('provider-call', { PROVIDER_URL: provider.url })
    const gateway = await context.startGateway({ providerUrl: provider.url })
    const post = { status: 201, prepare: () => () => nextCreate('truid.phone_check') }
    const targets = {
      floor: context.target('floor', baseline, post),
      ours: context.target('create with provider call', gateway, post),
    }
    const samples = await alternate(targets, redis, options)
    context.record('50 connections', samples)
    context.addFinding('P2', ...compareCpu(pick(samples.floor, 'cpuMicros'), pick(samples.ours, 'cpuMicros')))
  },
}

/** The ratio of two CPU times, and a note with both: `22.4 µs ÷ 27.5 µs`. */
export const compareCpu = (baseline: readonly number[], ours: readonly number[]): [ratio: Spread, note: string] =>
  [ratioOf(baseline, ours), `${formatMicros(baseline)} ÷ ${formatMicros(ours)}`]

const formatMicros = (micros: readonly number[]): string => `${spreadOf(micros).median.toFixed(1)} µs`

export type CreatedAnswer = { id: string, nonce: string }

/** Creates `count` verifications, and returns what their callbacks need. */
export async function createMany (
  url: string, count: number,
  { method = 'truecaller.web', withNumber = true }: { method?: string, withNumber?: boolean } = {},
): Promise<CreatedAnswer[]> {
  const made: CreatedAnswer[] = []
  await sendMany({
    url, count, status: 201, next: () => nextCreate(method, { withNumber }),
    onAnswer ({ body }) {
      const text = body.toString('latin1')
      made.push(
        { id: /"id":"(ver_[^"]+)"/.exec(text)?.[1] ?? '', nonce: /requestNonce=([\w-]+)/.exec(text)?.[1] ?? '' },
      )
    },
  })
  return made
}
