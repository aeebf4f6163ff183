import type { Verification } from './schema.ts'

/** `apiKey` on servers only. In a front end use the `clientSecret` of one verification. */
export type Credential = { apiKey: string } | { clientSecret: string }

export type ClientOptions = Credential & {
  /** Address of the gateway, such as `https://verify.example.com`. */
  url: string
  /** How often a read or a create is repeated. Default: 2. */
  maxRetries?: number
  /** The maximum time for one request. Default: 30,000. */
  timeoutMs?: number
  /** Default: the global `fetch`. */
  fetch?: (request: Request) => Promise<Response>
}

export type CallOptions = {
  /** Aborts the call, which then rejects with the reason of the signal. */
  signal?: AbortSignal | undefined
}

export type CreateOptions = CallOptions & {
  /** Default: a random one for each call. Pass the same one to repeat a call of an earlier process. */
  idempotencyKey?: string
}

export type WaitOptions = CallOptions & {
  /** Called with the present state, and after each change. */
  onChange?: (verification: Verification) => void
}

export type EventsOptions = CallOptions & {
  /** The `id` of the last event that was processed. */
  lastEventId?: number | undefined
}

/** One event of the stream. */
export type VerificationEvent = {
  /** `verification.updated`, `verification.action_required`, `verification.verified`, … */
  type: string
  /** The revision. Pass it as `lastEventId` to resume. */
  id: number
  verification: Verification
}
