import type { CallbackSender } from './callback-sender.ts'
import type { Timers } from './timers.ts'

/** What every simulator is given: where it lives, its clock, and how fast its people and networks are. */
export type SimulatorContext = {
  /** Origin of the simulators. */
  url: () => string
  now: () => number
  timers: Timers
  callbacks: CallbackSender
  /** How long a simulated person takes to act. */
  handsetDelayMs: number
  /** How long "slow" is. */
  slowMs: number
  /** Factor on the pauses between tries of a callback. */
  retryScale: number
}
