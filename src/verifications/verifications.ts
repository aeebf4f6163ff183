import { randomBytes } from 'node:crypto'
import { createRoutingContext, type OpenedMethods } from '../adapters/guard.ts'
import type { CountryPolicy } from '../apps/country-policy.ts'
import type { Limits } from '../apps/limits.ts'
import type { MessagePolicy } from '../apps/message-policy.ts'
import type { UnverifiedBudget } from '../apps/unverified-budget.ts'
import { isCodeIncorrect } from '../core/errors.ts'
import type { Verification } from '../core/verification.ts'
import type { InlineExecutor } from '../jobs/inline-executor.ts'
import type { Queues } from '../jobs/queues.ts'
import type { ChangeFeed } from '../store/change-feed.ts'
import type { Ids } from '../store/ids.ts'
import type { Store } from '../store/record-store.ts'
import type { Sealer } from '../store/sealing.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import type { Tracing } from '../telemetry/tracing.ts'
import type { Deliveries } from '../webhooks/deliveries.ts'
import { createReceiveCallback } from './callbacks.ts'
import { createCancel } from './cancel.ts'
import { createCheck } from './check.ts'
import { createCreate, partitionOfByte } from './create.ts'
import { createResolveConflict } from './create-conflict.ts'
import { createDispatch } from './dispatch.ts'
import { createJudgeEligibility } from './eligibility.ts'
import { createErase } from './erase.ts'
import { createFind } from './find.ts'
import type { Gateway } from './gateway.ts'
import { createIdempotentReplays } from './idempotency.ts'
import { createStartIfWritten } from './lost-reply.ts'
import { createNext } from './next.ts'
import { createObserver } from './observer.ts'
import { createProcessors } from './processors.ts'
import { createProviderCalls, type ProviderCallsParts } from './provider-calls.ts'
import { listProviders } from './providers.ts'
import { createReadReturn } from './read-return.ts'
import { createResend } from './resend.ts'
import { createResolve, type Resolve } from './resolve.ts'
import { idempotencyReleases } from './record-keys.ts'
import { createSingleUse } from './single-use.ts'
import { createStart } from './start.ts'
import { createTransitions } from './transitions.ts'
import { createWriter } from './writer.ts'

export type VerificationsParts = {
  storage: { store: Store<Verification>, sealer: Sealer, ids: Ids, changeFeed: ChangeFeed, retentionMs: number }
  providers: Pick<ProviderCallsParts, 'adapters' | 'fixedCode' | 'publicUrl'> & { methods: OpenedMethods }
  apps: ProviderCallsParts['apps'] & {
    limits: Limits, country: CountryPolicy, messages: MessagePolicy, budget: Pick<UnverifiedBudget, 'count'>
  }
  work: { queues: Pick<Queues, 'resolve'>, executor: InlineExecutor | null, deliveries: Deliveries }
  telemetry: { metrics: Metrics, log: Logger, tracing: Tracing }
  now: () => number
}

/** Composes the use cases. */
export function createVerifications (parts: VerificationsParts): Gateway {
  const {
    storage, providers: { adapters, fixedCode, methods, publicUrl }, work: { queues, executor, deliveries }, telemetry,
    now,
  } = parts
  const { store, sealer, ids, changeFeed, retentionMs } = storage
  const { limits, country, messages, budget } = parts.apps
  const { metrics, log, tracing } = telemetry
  const { names } = sealer

  const providerCalls = createProviderCalls({ adapters, apps: parts.apps, fixedCode, ids, sealer, publicUrl, log })
  const routing = createRoutingContext(adapters, methods)
  const write = createWriter({
    store, limits, deliveries, observers: [metrics.countChange, createObserver({ budget, methods, sealer, log })],
    context: { names, methods, retentionMs, limits, singleUseOf: createSingleUse({ adapters, providerCalls }) },
    providerCalls, messages, routing,
    recordSkipped ({ id, appId }, refusal) {
      metrics.countRefused(refusal.cause)
      log.warn({ audit: 'refused', app: appId, verificationId: id, ...refusal }, 'audit')
    },
  })
  const transitions = createTransitions({ store, write, providerCalls, retentionMs, now })
  const dispatch = createDispatch({
    transitions, queues, executor, sealer, log, now,
    resolve: stored => resolve(stored, { isFirst: true, isLastTry: false }),
  })
  const start = createStart({ dispatch, providerCalls, now })
  const resolve: Resolve = createResolve({ dispatch, start, providerCalls, store })
  const replays = createIdempotentReplays({ store, changeFeed, now })
  const erase = createErase({ store, names })

  /** The caller learns the result of a use case, or of a wrong code, once a failover of Redis cannot lose it. */
  function whenReplicated<Args extends unknown[], R> (
    run: (...args: Args) => Promise<R>, idOf: (result: R, ...args: Args) => string = (_result, ...[id]) => String(id),
  ): (...args: Args) => Promise<R> {
    if (!store.waitsForReplicas) return run
    return async (...args) => {
      const result = await run(...args).catch(async (error: unknown) => {
        if (isCodeIncorrect(error)) await store.untilReplicated(String(args[0]), idempotencyReleases)
        throw error
      })
      await store.untilReplicated(idOf(result, ...args), idempotencyReleases)
      return result
    }
  }

  return {
    ...createProcessors({
      effects: {
        dispatch, start, resolve, erase,
      }, store, ids, sealer, deliveries, metrics, log, tracing, retentionMs, now,
    }),
    create: whenReplicated(createCreate({
      write, start, startIfWritten: createStartIfWritten({ store, dispatch, start, now }), replays,
      resolveConflict: createResolveConflict({ dispatch, replays, store }), routing, tracing, log, now,
      names: { sealer, ids, randomPartition: () => partitionOfByte(randomBytes(1).readUInt8()) },
      policies: { limits, country },
    }), ({ id }) => id),
    get: async id => (await transitions.load(id)).record,
    listen: changeFeed.subscribe,
    check: whenReplicated(createCheck({ transitions, dispatch, start, resolve, providerCalls, adapters, sealer })),
    next: whenReplicated(createNext({ transitions, dispatch, start, changeFeed, now })),
    resend: whenReplicated(createResend({ transitions, dispatch, providerCalls, now })),
    cancel: whenReplicated(createCancel({ transitions, dispatch })),
    async erase (id) {
      const { record } = await transitions.load(id)
      await erase(record, deliveries.relatedKeys(record))
    },
    find: createFind({ store, sealer, retentionMs, now }),
    receive: createReceiveCallback({ dispatch, store, names, ids, adapters, publicUrl, metrics, tracing }),
    readReturn: createReadReturn({ store, ids, adapters, providerCalls }),
    providers: () => listProviders(adapters),
    eligibility: createJudgeEligibility({ adapters, routing, country, store, names, tracing, now }),
  }
}
