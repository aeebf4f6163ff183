import type { Json } from '../../core/vocabulary.ts'
import type { AttemptContext, Http, Outcome, Started } from '../adapter.ts'
import type { Oidc } from './oidc.ts'

/** The calls of one method. Each throws `ProviderError`. */
export type Flow = {
  start (attempt: AttemptContext): Promise<Started>
  resolve (attempt: AttemptContext, evidence: Json, call: { repeated: boolean }): Promise<Outcome>
  /** The part of the evidence that is valid for one attempt only. */
  singleUse (evidence: Json): string | null
}

export type FlowParts = {
  /** The id of the instance. */
  provider: string
  issuer: string
  oidc: Oidc
  http: Http
  now: () => number
  /** Base URL of the API, with its version. */
  url: string
}
