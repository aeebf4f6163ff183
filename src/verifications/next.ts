import type { NextReason } from '../core/reasons.ts'
import type { Verification } from '../core/verification.ts'
import { invalidState } from './check.ts'
import type { Dispatch } from './dispatch.ts'
import type { Start } from './start.ts'
import type { Transitions } from './transitions.ts'

/** Ends the current attempt and starts the next one. Throws `ApiError` invalid_state. */
export type Next = (id: string, reason: NextReason) => Promise<Verification>

export type NextParts = { transitions: Pick<Transitions, 'load'>, dispatch: Pick<Dispatch, 'apply'>, start: Start }

export function createNext ({ transitions, dispatch, start }: NextParts): Next {
  return async (id, reason) => {
    const transition = await dispatch.apply(
      await transitions.load(id), { type: 'nextRequested', reason }, { runsHere: 'start' },
    )
    if (!transition.changed) throw invalidState(transition.stored.record, 'The verification has already ended.')
    return (await start(transition)).record
  }
}
