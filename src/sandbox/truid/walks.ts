import { randomBytes } from 'node:crypto'
import { type Check, type Checks, operatorErrors } from './checks.ts'
import type { SimulatorContext } from '../simulator.ts'

export type Walks = ReturnType<typeof createWalks>

/** A device's way through the operator's redirects. */
export function createWalks (context: SimulatorContext, { finish, complete }: Checks) {
  const { now, timers, slowMs, silenceMs, handsetDelayMs } = context

  function start (check: Check): string {
    check.status = 'PENDING'
    check.updatedAt = now()
    check.walk = randomBytes(12).toString('base64url')
    return check.walk
  }

  /**
   * The operator has identified the device. False: the operator is silent, so nothing is known about the check, and
   * the device gives up waiting after `silenceMs`.
   */
  async function end (check: Check): Promise<boolean> {
    if (check.scenario === 'silent' || check.scenario === 'rejected') {
      await timers.sleep(silenceMs)
      return false
    }
    if (check.scenario === 'slow') await timers.sleep(slowMs)
    const errorCode = operatorErrors[check.scenario]
    if (errorCode !== undefined) void finish(check, { status: 'ERROR', errorCode })
    else if (check.scenario === 'evidenceExpired') void finish(check, { status: 'EXPIRED' })
    else {
      check.walked = true
      check.code = randomBytes(8).toString('hex')
      // v0.1 fetches the operator's result when the check is read, and otherwise receives it later.
      if (check.version === 'v0.1') timers.after(handsetDelayMs, () => void complete(check))
    }
    return true
  }

  /**
   * The phone opens the URL of v0.1 without an app that asks it to. In v0.2 the code returns through the browser that
   * opens the URL, so only a phone outside can open it.
   */
  async function walkByItself (check: Check): Promise<void> {
    if (check.version !== 'v0.1' || context.handset.isManual(check.phoneNumber)) return
    await timers.sleep(handsetDelayMs)
    if (check.status !== 'ACCEPTED') return
    start(check)
    await end(check)
  }

  return { start, end, walkByItself }
}
