import type { TObject } from 'typebox'
import type { Assurance, MethodAssurance } from '../core/assurance.ts'
import type { EligibilityReason, Reason } from '../core/reasons.ts'
import type {
  Action, CallbackRefusal, DeliveryReceipt, EvidenceKind, Json, Money, Profile, VendorAnswer,
} from '../core/vocabulary.ts'

/**
 * What a provider must be able to do. An adapter holds no verification, no queue, no storage and no framework: what it
 * must remember about an attempt it returns as `state` and receives again later. Retries, breakers, metrics and logs
 * wrap it from outside.
 */

/** The fixed properties of a method, for routing, `GET /providers` and the documentation. */
export type Method = {
  needsPhoneNumber: boolean
  /** What the app may submit; empty when only the provider's callback completes the method. */
  evidence: EvidenceKind[]
  nextActions: Action['type'][]
  /** What the method costs the user, to complete "The user …": `types a code`, `opens a URL over mobile data`. */
  userStep: string
  /**
   * How strong a proof by this method is, as data or as a pure function of valid options. Without options: what
   * `GET /providers` shows. In doubt, the weaker one.
   */
  assurance: MethodAssurance
  /** Life of an attempt unless the workflow sets another one. */
  timeoutMs: number
  /** Schema of `workflow[].options`; `additionalProperties: false`. */
  options: TObject
  /**
   * `start` sends nothing to the user, so it may be repeated when it is unknown whether it happened, because the
   * process died.
   */
  isRepeatable: boolean
  /** `start` sends something to a person: a code, a link, a call or a push. It costs money, and can be a nuisance. */
  sendsMessage: boolean
  /** `start` sends no request: it runs in the same write that begins the attempt. */
  startsLocally?: boolean
  /** `resolve` sends no request: it runs in the same write that records the evidence of the app. */
  judgesLocally?: boolean
  /** Place in the default workflow, silent methods first; absent: only when a workflow names it. */
  defaultRank?: number
  /** At most one start per phone number in this time, whatever the outcome of the first. */
  oncePerNumberMs?: number
  /** At most this many starts for each app, phone number and day. */
  maxPerNumberPerDay?: number
  /** The same attempt can be sent again: not before `afterMs`, at most `times` times. */
  resend?: { afterMs: number, times: number }
  /** How many wrong codes end an attempt. */
  codeAttempts?: number
  /** Which redirect URL the provider accepts: one for each attempt (default), or one that is registered beforehand. */
  redirect?: 'perAttempt' | 'fixed'
  /** The method cannot start unless the app gave a `returnUrl`. */
  needsReturnUrl?: boolean
  /**
   * The provider's callbacks name only its own id of the attempt (`Started.id`), so the gateway keeps the way from that
   * id to the attempt. A callback that arrives before `start` has returned cannot be found: poll as well.
   */
  isFoundByProviderId?: boolean
}

/** The attempt that an adapter works on. */
export type AttemptContext = {
  id: string
  method: string
  /** The number to verify, E.164 with `+`; null while a discovery method has not returned it. */
  phoneNumber: string | null
  options: { [name: string]: Json }
  locale: string | null
  device: { ip?: string, userAgent?: string, platform?: string }
  /** What `start`, `resend` or `resolve` returned last; null before. */
  state: Json
  /** When the attempt started and when it ends, ms since the epoch. What happened before it started is not a proof. */
  startedAt: number
  expiresAt: number
  /** 48 URL-safe characters that the gateway made: unguessable, valid for this attempt only. */
  callbackKey: string
  /** Where the provider's server may call for this attempt. */
  callbackUrl: string
  /** Where the provider may send the user's browser; null when the app gave no `returnUrl`. */
  redirectUrl: string | null
  /**
   * The key by which a redirect is matched to this attempt. It is part of `redirectUrl`; where that is fixed, send it
   * along, for example as `state`. Null when the app gave no `returnUrl`.
   */
  redirectKey: string | null
  /** The app's name for a person, and the host of its web page, where the app or the request says it. */
  app: { name: string, host: string | null }
  /** For a method whose code the gateway makes: `made-code.ts`. */
  code: AttemptCode
}

/** A code that the gateway makes for one attempt. The adapter keeps its hash, and never the code. */
export type AttemptCode = {
  /** A code of this length and its hash. With the hash of an earlier one: that code again. */
  make (length: number, hash?: string): { code: string, hash: string }
  /** Whether this is the code of the hash. Constant time. */
  matches (code: string, hash: string): boolean
}

export type LinkContext = Pick<AttemptContext, 'callbackKey' | 'locale' | 'options'>

/** `device`: what the app said about the user's device. */
export type EligibilityQuestion = Pick<AttemptContext, 'method' | 'device'> & {
  phoneNumber: string
  /** Of the number, ISO 3166-1 alpha-2; null when several countries share its calling code, or none has it. */
  country: string | null
}
/** A reason: the method cannot serve the number. Null: it may. */
export type Eligibility = EligibilityReason | null

export type Started = {
  state: Json
  action: Action
  /** The provider's own id of this attempt, where it issues one. The gateway refuses an id of another attempt. */
  id?: string
  /** Callbacks have our key as well: an id of another attempt is left out, not refused. */
  isIdOptional?: boolean
  /** The attempt ends after this time at the latest: then the provider has forgotten it. */
  expiresInMs?: number
  /** What the provider charges for this attempt. */
  cost?: Money
  /** What the provider's account holds after this attempt. */
  balance?: Money
  /** `resolve` is called this often, with the evidence `{}`, although the app submits nothing. */
  poll?: { afterMs: number }
}

/** A provider's call to this gateway. Anybody can send one. */
export type Callback = {
  /** `{key}` of the path, or null. */
  key: string | null
  /** The public address that the sender called. A proxy may have changed the host and the path that arrived. */
  url: string
  headers: Readonly<Record<string, string | string[] | undefined>>
  rawBody: Buffer
  /** The parsed JSON body. */
  body: unknown
}

/**
 * What a callback says, and the attempt it is for: by `callbackKey`, or, where the method `isFoundByProviderId`, by the
 * `Started.id` of the attempt.
 */
export type Received = ({ key: string } | { providerId: string }) & (
  | { type: 'evidence', evidence: Json }
  /** The user sees the provider's dialog. A hint for the screen, not a proof. */
  | { type: 'opened' }
  | { type: 'denied', reason: Reason }
  /** The provider continues with another step, such as a message after a silent check. */
  | { type: 'updated', state: Json, action: Action }
  | { type: 'delivery', delivery: DeliveryReceipt }
  /** Understood, but it changes nothing. */
  | { type: 'noted' }
)

/** The callback is not accepted as the provider's. */
export type Refused = { type: 'refused', cause: CallbackRefusal }

/**
 * What a browser that returns from the provider brings for the app's front end. It is read, never consumed.
 * `isInFragment`: the code or the error is in the fragment of the URL, which only the browser knows.
 */
export type Returned = { code: string } | { error: Reason } | { isInFragment: true }

/**
 * What evidence proves. `proven` names the number that was proven; the core compares it with the number to verify.
 * "Could not find out" is not an outcome: throw `ProviderError`.
 */
export type Outcome =
  | {
    verdict: 'proven', phoneNumber: string, profile?: Profile, signals?: { [name: string]: Json }
    /** What this proof showed, where that differs from proof to proof; absent: the assurance of the method. */
    assurance?: Assurance
  }
  /** `vendor`: what the provider answered, for the operator. */
  | { verdict: 'denied', reason: Reason, vendor?: VendorAnswer | null }
  /** The user may try again with another code. */
  | { verdict: 'incorrect' }
  /** The provider does not know yet: query it again after `retryAfterMs`, with the new `state`, if there is one. */
  | { verdict: 'pending', retryAfterMs: number, state?: Json, action?: Action }

export type Adapter = {
  provider: string
  methods: Readonly<Record<string, Method>>
  /**
   * Whether a method could serve this number. A reason: it cannot, and the attempt is skipped before anything is sent
   * or paid for. Returns what is known; or, when the provider can be queried free of charge, a function that does so:
   * its `ProviderError`, or no answer within a second, counts as null. Throws nothing itself.
   */
  canServe? (question: EligibilityQuestion): Eligibility | (() => Promise<Eligibility>)
  /**
   * Begins an attempt. Throws `ProviderError`, also for a documented "not for this number": then with its reason, not
   * retryable.
   */
  start (attempt: AttemptContext): Promise<Started>
  /** Build the `url` of the action, for methods where nothing else determines it. The URL is long, and not stored. */
  links?: Readonly<Record<string, (attempt: LinkContext) => string>>
  /** Sends the same again (only for methods with `resend`). Throws `ProviderError`. */
  resend? (attempt: AttemptContext): Promise<Started>
  /** `receive` has no proof of the sender: the operator permitted that by name, or insecure providers are allowed. */
  acceptsAnySender?: boolean
  /**
   * Authenticates the sender first, then reads the callback. Checks that need no request come before any that does.
   * Null: not a message of this provider. Throws nothing.
   */
  receive? (callback: Callback): Received | Refused | null | Promise<Received | Refused | null>
  /** Reads the query of a browser redirect for this attempt. Pure. Null: not for this attempt. Throws nothing. */
  readReturn? (attempt: AttemptContext, query: Readonly<Record<string, string>>): Returned | null
  /**
   * Finds our `redirectKey` in the query of a redirect whose URL is fixed. Pure. Null: it is not there. Throws nothing.
   */
  findKey? (query: Readonly<Record<string, string>>): string | null
  /**
   * The part of the evidence that is valid for one attempt only: another attempt that presents it is refused. Pure,
   * throws nothing. Null: the provider itself binds the evidence to the attempt, as with a code that it sent.
   */
  singleUse? (attempt: AttemptContext, evidence: Json): string | null
  /**
   * Turns evidence (what `receive` returned, or what the app submitted) into an outcome. `repeated`: the same evidence
   * was sent before and the answer was lost, so a provider's "already verified" means that the first try succeeded.
   * Throws `ProviderError`.
   */
  resolve (attempt: AttemptContext, evidence: Json, call: { repeated: boolean }): Promise<Outcome>
  /**
   * Requests that show an operator whether the provider can be reached and accepts the credentials, by what each shows.
   * They are free of charge and change nothing. `attempt` belongs to no verification. Throws `ProviderError`.
   */
  probes?: Readonly<Record<string, (attempt: AttemptContext) => Promise<unknown>>>
  /** Ends a started attempt at the provider, so that it does not block a later one. Throws `ProviderError`. */
  cancel? (attempt: AttemptContext): Promise<void>
}

export type ProviderRequest = {
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  url: string
  /** Two or three words for logs and errors: which call this is. Never a URL. */
  call: string
  headers?: Record<string, string>
  body?: string
  /** Total deadline of this request, where it is shorter than that of every request. */
  timeoutMs?: number
}

/** 2xx or 4xx (without 429). `body` is the parsed JSON, or undefined when it is not JSON. */
export type ProviderAnswer = {
  status: number
  headers: Readonly<Record<string, string>>
  body: unknown
  /** What it says, for the operator. A function, because only a refusal needs it. */
  describe? (): VendorAnswer
}

/**
 * The network for adapters: total deadline, size limit, no redirects, only hosts of an allow-list. Every other result
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

/** The values of a provider's environment variables, by name. */
export type Settings = Readonly<Record<string, string | undefined>>

/** One provider, as the registry lists it: its environment variables, and how to open it. */
export type Provider<Schema extends TObject = TObject> = {
  /** Lower-case letters. Its environment variables begin with it in upper case and `_`. */
  provider: string
  /**
   * TypeBox schema of this provider's environment variables, each with a description. All optional strings: a provider
   * is on when its credentials are present.
   */
  settings: Schema
  /** The provider can be opened several times with other settings, for example once for each operator. */
  hasInstances?: boolean
  /**
   * Null when the credentials are absent. Throws `Error` that names the variable when they are there but unusable. `id`
   * is what the adapter must use as `provider` and before the dot of its methods: the provider's name, or, for an
   * instance, the name, `-` and the name of the instance.
   */
  open (settings: Settings, io: AdapterIo, id: string): Adapter | null
}
