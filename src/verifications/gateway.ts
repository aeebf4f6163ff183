import type { Listener } from '../store/change-feed.ts'
import type { JobProcessors } from '../jobs/workers.ts'
import type { Verification } from '../core/verification.ts'
import type { ReceiveCallback } from './callbacks.ts'
import type { Cancel } from './cancel.ts'
import type { Check } from './check.ts'
import type { Create } from './create.ts'
import type { JudgeEligibility } from './eligibility.ts'
import type { Find } from './find.ts'
import type { Next } from './next.ts'
import type { ProviderItem } from './providers.ts'
import type { ReadReturn } from './read-return.ts'
import type { Resend } from './resend.ts'

/**
 * One function for each thing that can happen to a verification. Routes and jobs only translate to them. Ids that reach
 * them were issued by this gateway.
 */
export type Gateway = JobProcessors & {
  create: Create
  /** Throws `ApiError` gone. */
  get (id: string): Promise<Verification>
  /**
   * Calls the listener when the verification may have changed, or was erased, in whatever process, until the returned
   * function is called.
   */
  listen (id: string, listener: Listener): () => void
  check: Check
  next: Next
  resend: Resend
  cancel: Cancel
  /** Erases it in any state. Throws `ApiError` gone. */
  erase (id: string): Promise<void>
  find: Find
  receive: ReceiveCallback
  readReturn: ReadReturn
  providers (): ProviderItem[]
  eligibility: JudgeEligibility
}
