import type { Verification } from '../core/verification.ts'
import { invalidState } from './check.ts'
import type { Dispatch } from './dispatch.ts'
import type { Transitions } from './transitions.ts'

/** Cancels a live verification for the app. Throws `ApiError` invalid_state. */
export type Cancel = (id: string) => Promise<Verification>

export type CancelParts = { transitions: Pick<Transitions, 'load'>, dispatch: Pick<Dispatch, 'apply'> }

export function createCancel ({ transitions, dispatch }: CancelParts): Cancel {
  return async id => {
    const { stored, changed } = await dispatch.apply(
      await transitions.load(id), { type: 'canceled', reason: 'app_canceled' },
    )
    if (!changed) throw invalidState(stored.record, 'The verification has already ended.')
    return stored.record
  }
}
