import { randomBytes } from 'node:crypto'
import { alternate, measure, pick, ratioOf, spreadOf, type Target } from '../measure.ts'
import { callback, nextCreate } from '../requests.ts'
import type { Case } from '../stage.ts'
import { createMany, tell } from './create.ts'

/** From last to first, each once. */
function takeOnce (requests: string[]): () => string | null {
  return () => requests.pop() ?? null
}

const granted = (requestId: string): string => callback({ requestId, accessToken: 'token-919000000000' })

/** A provider's callback: one that is accepted, and one that is forged. */
export const callbacks: Case = {
  name: 'callback',
  goals: ['P4', 'P5', 'P5r', 'callbackP99'],
  async run (stage) {
    const { options, redis } = stage
    const provider = await stage.startProvider()
    const forged = stage.target('callback forged', await stage.startGateway({ providerUrl: provider.url }), {
      status: 200, prepare: () => () => granted(randomBytes(36).toString('base64url')),
    })
    // While nobody else is there that asks Redis anything.
    const alone = await measure(forged, redis, { durationMs: options.roundMs })
    const gateway = await stage.startGateway({ providerUrl: provider.url })
    // Each is accepted once: what it is for is created before the round.
    const most = options.name === 'whole' ? 6_000 : options.name === 'quick' ? 2_000 : 100
    const targets = {
      bare: stage.target(
        'bare Fastify', await stage.startAnchor('bare'),
        { status: 201, prepare: () => () => nextCreate('truecaller.web') },
      ),
      job: stage.target('Fastify, HMAC and BullMQ add', await stage.startAnchor('callback'), {
        status: 200, most, prepare: most =>
          takeOnce(Array.from({ length: most }, () => granted(randomBytes(36).toString('base64url')))),
      }),
      accepted: stage.target('callback accepted', gateway, {
        status: 200, most, prepare: async most =>
          takeOnce((await createMany(gateway.url, most)).map(({ nonce }) => granted(nonce))),
      }),
      forged,
    } satisfies Record<string, Target>
    const samples = await alternate(targets, redis, options)
    stage.note('50 connections', samples)
    const cpu = (name: keyof typeof targets): number[] => pick(samples[name], 'cpuMicros')
    stage.find('P4', ratioOf(cpu('job'), cpu('accepted')), `${tell(cpu('job'))} ÷ ${tell(cpu('accepted'))}`)
    stage.find('P5', ratioOf(cpu('bare'), cpu('forged')), `${tell(cpu('bare'))} ÷ ${tell(cpu('forged'))}`)
    stage.find('P5r', spreadOf([Math.round(alone.redisCommands * alone.answered)]))
    stage.find('callbackP99', spreadOf(pick(samples.accepted, 'p99Ms')))
  },
}
