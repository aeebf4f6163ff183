import { sendMany } from '../load.ts'
import { alternate, pick, ratioOf, spreadOf, type Target } from '../measure.ts'
import { nextCreate } from '../requests.ts'
import type { Case } from '../stage.ts'

const web = () => nextCreate('truecaller.web')
const webOfAnybody = () => nextCreate('truecaller.web', { withNumber: false })

/** A create that asks no provider: against bare Fastify, and against one script. */
export const create: Case = {
  name: 'create',
  goals: ['P1', 'P1b', 'P13'],
  async run (stage) {
    const { options, redis } = stage
    const provider = await stage.startProvider()
    const gateway = await stage.startGateway({ providerUrl: provider.url })
    const post = (next: () => string): Pick<Target, 'status' | 'prepare'> => ({ status: 201, prepare: () => next })
    const targets = {
      bare: stage.target('bare Fastify', await stage.startAnchor('bare'), post(web)),
      script: stage.target('Fastify and one script', await stage.startAnchor('create'), post(web)),
      ours: stage.target('create', gateway, post(web)),
      withoutNumber: stage.target('create without a number', gateway, post(webOfAnybody)),
    }
    const samples = await alternate(targets, redis, options)
    stage.note('50 connections', samples)
    const cpu = (name: keyof typeof targets): number[] => pick(samples[name], 'cpuMicros')
    stage.find('P1', ratioOf(cpu('script'), cpu('ours')), `${tell(cpu('script'))} ÷ ${tell(cpu('ours'))}`)
    stage.find(
      'P1b', ratioOf(cpu('bare'), cpu('ours')),
      `${tell(cpu('bare'))} ÷ ${tell(cpu('ours'))}; without a number ${tell(cpu('withoutNumber'))}`,
    )

    const added: number[] = []
    for (const connections of [1, 8]) {
      const some = await alternate(
        targets, redis, { ...options, roundMs: options.roundMs / 2, warmupRequests: 100, connections },
      )
      stage.note(`${connections} connections`, some)
      if (connections === 1) added.push(...pick(some.ours, 'p50Ms').map((ms, at) => ms - (some.bare[at]?.p50Ms ?? NaN)))
    }
    stage.find('P13', spreadOf(added))
  },
}

/** A create whose answer waits for the provider's. */
export const providerCall: Case = {
  name: 'provider-call',
  goals: ['P2'],
  async run (stage) {
    const { options, redis } = stage
    const provider = await stage.startProvider()
    const wish = { status: 201, prepare: () => () => nextCreate('truid.phone_check') }
    const targets = {
      floor: stage.target('floor', await stage.startAnchor('provider-call', { PROVIDER_URL: provider.url }), wish),
      ours: stage.target('create with provider call', await stage.startGateway({ providerUrl: provider.url }), wish),
    }
    const samples = await alternate(targets, redis, options)
    stage.note('50 connections', samples)
    const [floor, ours] = [pick(samples.floor, 'cpuMicros'), pick(samples.ours, 'cpuMicros')]
    stage.find('P2', ratioOf(floor, ours), `${tell(floor)} ÷ ${tell(ours)}`)
  },
}

/** `22.4 µs`. */
export const tell = (micros: readonly number[]): string => `${spreadOf(micros).median.toFixed(1)} µs`

export type CreatedAnswer = { id: string, nonce: string }

/** Creates so many verifications, and tells of each what its callback needs. */
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
