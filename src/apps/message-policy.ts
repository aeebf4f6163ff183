import type { Target } from './limits.ts'
import { untilNextHour, type UnverifiedBudget } from './unverified-budget.ts'
import type { Apps } from './apps.ts'
import { ApiError } from '../core/errors.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { numberTag, type Sealer } from '../store/sealing.ts'

/** `refusal`: the message may not be sent, and was not counted. `giveBack`: it was counted, but not sent. */
export type MessagePermit = { refusal: ApiError | null, giveBack (): void }

/** Whether a verification may send its first message. */
export type MessagePolicy = {
  /** Counts it against the unverified budget of its app and country, before it is sent. */
  begin (target: Target, at: number): Promise<MessagePermit>
}

export type MessagePolicyParts = {
  apps: Pick<Apps, 'byId'>
  budget: Pick<UnverifiedBudget, 'ready' | 'usedShare' | 'count'>
  sealer: Pick<Sealer, 'keyedHash'>
  metrics: Pick<Metrics, 'countMonitored'>
  log: Pick<Logger, 'warn'>
}

const free: MessagePermit = { refusal: null, giveBack () {} }

export function createMessagePolicy ({ apps, budget, sealer, metrics, log }: MessagePolicyParts): MessagePolicy {
  /** The apps and countries of this hour whose budget is half used, so that each is reported once. */
  let reported = { endsAt: 0, names: new Set<string>() }

  function reportHalf (app: string, country: string, at: number): void {
    if (at >= reported.endsAt) reported = { endsAt: at + untilNextHour(at), names: new Set() }
    const name = `${app} ${country}`
    if (reported.names.has(name)) return
    reported.names.add(name)
    log.warn({ app, country }, 'half of the unverified budget is used')
  }

  return {
    async begin ({ appId, phoneNumber, country }, at) {
      if (phoneNumber === null || country === undefined) return free
      await budget.ready(appId, country)
      const isMonitored = apps.byId(appId)?.unverifiedBudget?.mode === 'monitor'
      if ((budget.usedShare(appId, country, at) ?? 0) >= 1) {
        const refusal = { cause: 'unverified_budget' as const, numberTag: numberTag(sealer, phoneNumber) }
        if (!isMonitored) {
          const detail = 'Too many verifications of numbers of this country remain unverified.'
          const retryAfterSeconds = untilNextHour(at) / 1000
          return { ...free, refusal: new ApiError('rate_limited', detail, { retryAfterSeconds, refusal }) }
        }
        metrics.countMonitored(refusal.cause)
        log.warn({ audit: 'monitored', app: appId, ...refusal }, 'audit')
      }
      budget.count(appId, country, 'created', at)
      if ((budget.usedShare(appId, country, at) ?? 0) >= 0.5) reportHalf(appId, country, at)
      return { refusal: null, giveBack: () => budget.count(appId, country, 'created', at, -1) }
    },
  }
}
