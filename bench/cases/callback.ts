import { randomBytes } from 'node:crypto'
import { alternate, measure, pick, spreadOf, type Target } from '../measure.ts'
import { callback, nextCreate } from '../requests.ts'
import type { Case } from '../case-context.ts'
import { compareCpu, createMany } from './create.ts'

/** Each request once, from the last to the first. */
function takeOnce (requests: string[]): () => string | null {
  return () => requests.pop() ?? null
}

const granted = (requestId: string): string => callback({ requestId, accessToken: 'token-919000000000' })

/** Callbacks of a provider: accepted ones, and forged ones. */
export const callbacks: Case = {
  name: 'callback',
  goals: ['P4', 'P5', 'P5r', 'callbackP99'],
  async run (context) {
    const { options, redis } = context
    const provider = await context.startProvider()
    const forged = context.target('callback forged', await context.startGateway({ providerUrl: provider.url }), {
      status: 200, prepare: () => () => granted(randomBytes(36).toString('base64url')),
    })
    // Before any other process sends commands to Redis.
    const alone = await measure(forged, redis, { durationMs: options.roundMs })
    const gateway = await context.startGateway({ providerUrl: provider.url })
    // A callback is accepted once, so its verification is created before the round.
    const maxRequests = options.name === 'whole' ? 6_000 : options.name === 'quick' ? 2_000 : 100
    const targets = {
      bare: context.target(
        'bare Fastify', await context.startBaseline('bare'),
        { status: 201, prepare: () => () => nextCreate('truecaller.web') },
      ),
      job: context.target('Fastify, HMAC and BullMQ add', await context.startBaseline('callback'), {
        status: 200, maxRequests, prepare: maxRequests =>
          takeOnce(Array.from({ length: maxRequests }, () => granted(randomBytes(36).toString('base64url')))),
      }),
      accepted: context.target('callback accepted', gateway, {
        status: 200, maxRequests, prepare: async maxRequests =>
          takeOnce((await createMany(gateway.url, maxRequests)).map(({ nonce }) => granted(nonce))),
      }),
      forged,
    } satisfies Record<string, Target>
    const samples = await alternate(targets, redis, options)
    context.record('50 connections', samples)
    const cpu = (name: keyof typeof targets): number[] => pick(samples[name], 'cpuMicros')
    context.addFinding('P4', ...compareCpu(cpu('job'), cpu('accepted')))
    context.addFinding('P5', ...compareCpu(cpu('bare'), cpu('forged')))
    context.addFinding('P5r', spreadOf([Math.round(alone.redisCommands * alone.answered)]))
    context.addFinding('callbackP99', spreadOf(pick(samples.accepted, 'p99Ms')))
  },
}
