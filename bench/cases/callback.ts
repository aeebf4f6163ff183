import { randomBytes } from 'node:crypto'
import type { Case } from '../case-context.ts'
import { measure, pick, spreadOf, warmUp, type Sample } from '../measure.ts'
import { callback, createMany } from '../requests.ts'

/** Each request once, from the last to the first. */
const takeOnce = (requests: string[]) => (): string | null => requests.pop() ?? null

const granted = (requestId: string): string => callback({ requestId, accessToken: 'token-919000000000' })

/** Callbacks of a provider: accepted ones, and forged ones. */
export const callbacks: Case = {
  name: 'callback',
  goals: ['forged', 'callback'],
  async run (context) {
    const { options, redis } = context
    const provider = await context.startProvider()
    const gateway = await context.startGateway({ providerUrl: provider.url })
    const forged = context.target('callback forged', gateway, {
      status: 200, prepare: () => () => granted(randomBytes(36).toString('base64url')),
    })
    const { redisCommands, answered } = await measure(forged, redis, { durationMs: options.roundMs })
    context.addFinding('forged', spreadOf([Math.round(redisCommands * answered)]))
    // A callback is accepted once, so its verification is created before the round.
    const maxRequests = options.name === 'whole' ? 5_000 : options.name === 'quick' ? 1_500 : 100
    const accepted = context.target('callback accepted', gateway, {
      status: 200, maxRequests, prepare: async maxRequests => {
        const requests: string[] = []
        await createMany(gateway.url, maxRequests, ({ nonce }) => requests.push(granted(nonce)))
        return takeOnce(requests)
      },
    })
    await warmUp(accepted, redis, maxRequests)
    const samples: Sample[] = []
    for (let round = 0; round < Math.min(3, options.rounds); round += 1) {
      await redis.flush()
      samples.push(await measure(accepted, redis, { durationMs: options.roundMs }))
    }
    context.record('accepted', samples)
    context.addFinding('callback', spreadOf(pick(samples, 'p99Ms')))
  },
}
