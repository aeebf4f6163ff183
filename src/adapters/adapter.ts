import type { TObject } from 'typebox'
import type { Reason } from '../core/reasons.ts'
import type { Action, CallbackRefusal, DeliveryReceipt, EvidenceKind, Json, Profile } from '../core/vocabulary.ts'

/**
 * What a provider must be able to do. An adapter holds no verification, no queue, no storage and no framework; what it
 * must
 * remember of an attempt it hands back as `state` and gets again later. Retries, breakers, metrics and logs wrap it
 * from outside.
 */

/**
 * What is fixed about a method: read by the router, `GET /providers` and the documentation. Durations in milliseconds.
 */
export type Method = {
  needsPhoneNumber: boolean
  /** What the app may submit; empty when only the provider's callback finishes it. */
  evidence: EvidenceKind[]
  nextActions: Action['type'][]
  /** Life of an attempt unless the workflow says otherwise. */
  timeoutMs: number
  /** Schema of `workflow[].options`; `additionalProperties: false`. */
  options: TObject
  /**
   * `start` may be done again when we cannot know whether it was done (our process died): nothing is sent to the user
   * by it.
   */
  isRepeatable: boolean
  /** `start` asks nobody: it is done in the same write that begins the attempt. */
  startsLocally?: boolean
  /** Place in the default workflow, silent methods first; absent: only when asked for. */
  defaultRank?: number
  /** At most one start per phone number in this time, whatever became of the first. */
  oncePerNumberMs?: number
  /** The same attempt can be sent again: not before `afterMs`, at most `times` times. */
  resend?: { afterMs: number, times: number }
  /** How many wrong codes end an attempt. */
  codeAttempts?: number
  /** Which redirect URL the provider accepts: one for each attempt (default), or one that is registered beforehand. */
  redirect?: 'perAttempt' | 'fixed'
  /** The method cannot start unless the app gave a `returnUrl`. */
  needsReturnUrl?: boolean
}

/** The attempt an adapter works on. */
export type AttemptContext = {
  id: string
  method: string
  /** The number to verify, E.164 with `+`; null while a discovery method has not told us. */
  phoneNumber: string | null
  options: { [name: string]: Json }
  locale: string | null
  device: { ip?: string, userAgent?: string, platform?: string }
  /** What `start` (or `resend`) handed back; null before. */
  state: Json
  /** When the attempt ends, ms since the epoch. */
  expiresAt: number
  /** Ours: 48 URL-safe characters, unguessable, single attempt; what comes back with it is for this attempt. */
  callbackKey: string
  /** Where the provider's server may call for this attempt. */
  callbackUrl: string
  /** Where the provider may send the user's browser; null when the app gave no `returnUrl`. */
  redirectUrl: string | null
  /**
   * Our key in the redirect: part of `redirectUrl`, or, where that is fixed, to be sent along (`state`); null likewise.
   */
  redirectKey: string | null
}

/**
 * `id`: the provider's own name of this attempt, where it gives one; the gateway sees to it that no other attempt goes
 * by it.
 */
export type Started = {
  state: Json
  action: Action
  id?: string
  /** `resolve` is called this often, with the evidence `{}`, although the app submits nothing. */
  poll?: { afterMs: number }
}

/** A provider's call to us, as anybody can make one. */
export type Callback = {
  /** `{key}` of the path, or null. */
  key: string | null
  /**
   * Where the sender meant to send it: our public address. A proxy may have changed the host and the path that arrived.
   */
  url: string
  headers: Readonly<Record<string, string | string[] | undefined>>
  rawBody: Buffer
  /** The parsed JSON body. */
  body: unknown
}

/** What a callback says, with the key of the attempt it is for. */
export type Received = { key: string } & (
  | { type: 'evidence', evidence: Json }
  /** The user sees the provider's dialog. A hint for the screen, no proof. */
  | { type: 'opened' }
  | { type: 'denied', reason: Reason }
  /** The provider goes on with another step, such as a message after a silent check. */
  | { type: 'updated', state: Json, action: Action }
  | { type: 'delivery', delivery: DeliveryReceipt }
  /** Understood, and of no consequence. */
  | { type: 'noted' }
)

/** The callback is not accepted as the provider's. */
export type Refused = { type: 'refused', cause: CallbackRefusal }

/** A browser that came back from the provider: never consumed here, only read for the app's front end. */
export type Returned = { code: string } | { error: Reason }

/**
 * What evidence proves. `proven` names the number that was proven; whether it is the number that was asked for is not
 * the adapter's to judge.
 * "Could not find out" is no outcome: throw `ProviderError`.
 */
export type Outcome =
  | { verdict: 'proven', phoneNumber: string, profile?: Profile, signals?: { [name: string]: Json } }
  | { verdict: 'denied', reason: Reason }
  /** The user may try again with another code. */
  | { verdict: 'incorrect' }
  /** The provider does not know yet; ask again after `retryAfterMs`. */
  | { verdict: 'pending', retryAfterMs: number, state?: Json, action?: Action }

export type Adapter = {
  provider: string
  methods: Readonly<Record<string, Method>>
  /**
   * Begins an attempt. Throws `ProviderError`; a documented "not for this number" is a `ProviderError` too, with its
   * reason, not retryable.
   */
  start (attempt: AttemptContext): Promise<Started>
  /** Sends the same again (only for methods with `resend`). */
  resend? (attempt: AttemptContext): Promise<Started>
  /**
   * Judges first whether the provider sent it, then reads it. What can be judged here and now is judged before anything
   * is fetched for it.
   * Null: not a message of this provider. Throws nothing.
   */
  receive? (callback: Callback): Received | Refused | null | Promise<Received | Refused | null>
  /** Reads the query of a browser redirect for this attempt. Pure. Null: not for this attempt. Throws nothing. */
  readReturn? (attempt: AttemptContext, query: Readonly<Record<string, string>>): Returned | null
  /**
   * What in the evidence is good for one attempt only, so that whoever brings it to another is refused. Pure, throws
   * nothing.
   * Null: the provider binds it to the attempt by itself, such as a code that was sent to the user.
   */
  singleUse? (attempt: AttemptContext, evidence: Json): string | null
  /**
   * Turns evidence (what `receive` returned, or what the app submitted) into an outcome. `repeated`: we asked with the
   * same evidence before and the
   * answer was lost, so a provider's "already verified" means that the first try succeeded.
   */
  resolve (attempt: AttemptContext, evidence: Json, call: { repeated: boolean }): Promise<Outcome>
  /** Ends a started attempt at the provider, so that it blocks no later one. Throws `ProviderError`. */
  cancel? (attempt: AttemptContext): Promise<void>
  /** Where the redirect URI is fixed: finds our `redirectKey` in the query. Pure. Null: not there. Throws nothing. */
  findKey? (query: Readonly<Record<string, string>>): string | null
}

export type ProviderRequest = {
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  url: string
  /** Two or three words for logs and errors: which call this is. Never a URL. */
  call: string
  headers?: Record<string, string>
  body?: string
}

/** 2xx or 4xx (without 429). `body` is the parsed JSON, or undefined when it is none. */
export type ProviderAnswer = { status: number, headers: Readonly<Record<string, string>>, body: unknown }

/**
 * The network, as adapters see it: total deadline, size cap, no redirects, hosts from an allow-list; everything else
 * throws `ProviderError`.
 */
export type Http = (request: ProviderRequest) => Promise<ProviderAnswer>

export type AdapterIo = {
  /** Opens the network to these hosts only (`host` or `host:port`); https unless `allowInsecure`. */
  openHttp (provider: string, hosts: string[]): Http
  /** Milliseconds since the epoch. */
  now (): number
  /** From the system's generator: for nonces and PKCE verifiers. */
  randomBytes (size: number): Buffer
  /** http, ports and loopback are permitted for provider hosts (sandbox and tests only). */
  allowInsecure: boolean
}

/** One provider, as the registry lists it: its environment variables, and how to open it. */
export type Provider<Settings extends TObject = TObject> = {
  provider: string
  /**
   * TypeBox schema of this provider's environment variables, each with a description. All optional strings: a provider
   * is on when its credentials are present.
   */
  settings: Settings
  /** Null when the credentials are absent. Throws `Error` naming the variable when they are there but unusable. */
  open (settings: Readonly<Record<string, string | undefined>>, io: AdapterIo): Adapter | null
}
