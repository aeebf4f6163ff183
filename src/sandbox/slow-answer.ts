import type { Scenario } from './scenarios.ts'
import type { SimulatorContext } from './simulator.ts'

/**
 * The result of a slow number is ready `slowMs` after the first request for it. False: the client has disconnected and
 * did not receive it.
 */
export async function waitUntilReady (
  { now, slowMs, timers }: SimulatorContext, about: { scenario: Scenario, readyAt?: number },
  client: { socket: { destroyed: boolean } },
): Promise<boolean> {
  if (about.scenario !== 'slow') return true
  about.readyAt ??= now() + slowMs
  const waitMs = about.readyAt - now()
  if (waitMs > 0) await timers.sleep(waitMs)
  return !client.socket.destroyed
}
