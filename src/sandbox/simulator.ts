import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { CallbackSender } from './callback-sender.ts'
import type { Handset } from './handset.ts'
import type { Timers } from './timers.ts'

/** What every simulator receives. Durations in milliseconds. */
export type SimulatorContext = {
  /** Origin of the simulators. */
  url: () => string
  /** Where a provider's server calls the gateway, with the `{key}` of the path, if there is one. */
  callbackUrl: (provider: string, key?: string) => string
  /** Settings that the gateway has besides those of the simulators. */
  settings: Readonly<Record<string, string | undefined>>
  /** Milliseconds since the epoch. */
  now: () => number
  timers: Timers
  callbacks: CallbackSender
  /** The simulated phones: every message, push and call is shown there. */
  handset: Handset
  /** How long a simulated person takes to act. */
  handsetDelayMs: number
  /** How long "slow" is. */
  slowMs: number
  /** How long a page that is never answered keeps a browser waiting: then it shows that nothing arrived. */
  silenceMs: number
  /** Factor on the pauses between tries of a callback. */
  retryScale: number
}

/** One simulated provider: what its folder exports. */
export type Simulator = {
  provider: string
  /** The environment variables that point a gateway at it: credentials, and `url`, where the simulators listen. */
  settings: (url: string) => Record<string, string>
  /**
   * Its routes. Paths below `/handset/` are what a person or a phone does, and below `/control/` what a test does: they
   * are not counted as requests, and no fault disturbs them.
   */
  routes: FastifyPluginAsyncTypebox<{ context: SimulatorContext }>
}
