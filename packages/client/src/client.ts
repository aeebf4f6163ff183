import { followEvents } from './events.ts'
import type {
  CallOptions, ClientOptions, CreateOptions, EventsOptions, VerificationEvent, WaitOptions,
} from './options.ts'
import { pause } from './pause.ts'
import type {
  CreatedVerification, CreateVerification, Delivery, DeliveryList, Eligibility, EligibilityQuestion, Evidence,
  FoundVerification, NextAttempt, operations, Provider, Verification,
} from './schema.ts'
import { createTransport, type Sending, type Transport } from './transport.ts'

type QueryOf<Operation extends keyof operations> = NonNullable<operations[Operation]['parameters']['query']>

/** Seconds of one long poll. */
const waitSeconds = 25
/** The maximum time for its response. */
const waitTimeoutMs = 40_000
/** A long poll that ends sooner without a change was cut by a proxy, so the next one waits. */
const minWaitMs = 1000

/**
 * The calls of a gateway. Each rejects with a `ProblemError` for an error response, with a `ConnectionError` without a
 * response, and with the reason of its `signal` when that is aborted.
 *
 * Reads and creates are repeated a few times after a broken connection, 429 and 5xx, after `Retry-After`. Calls that
 * act for a user are not: after a `ConnectionError` read the verification.
 */
export class Verigate {
  readonly #transport: Transport

  /** Throws a `TypeError` for a `url` that cannot be read, and for a credential that no header can have. */
  constructor (options: ClientOptions) {
    this.#transport = createTransport(options)
  }

  /** Creates a verification and starts its first attempt. Give `id` and `clientSecret` to the front end. */
  async create (
    body: CreateVerification, { idempotencyKey = crypto.randomUUID(), signal }: CreateOptions = {},
  ): Promise<CreatedVerification> {
    const { api, send, maxRetries } = this.#transport
    const params = { header: { 'idempotency-key': idempotencyKey } }
    return send<'createVerification'>(
      signal => api.POST('/verifications', { body, params, signal }), { signal, maxRetries },
    )
  }

  /** Reads a verification. With `wait` and `revision` it waits for the next change. */
  async get (
    id: string, query: QueryOf<'getVerification'> = {}, { signal }: CallOptions = {},
  ): Promise<Verification> {
    return this.#read(id, query, { signal, maxRetries: this.#transport.maxRetries })
  }

  /** The app's verifications with this `reference` or `phoneNumber`, newest first. */
  async list (query: QueryOf<'listVerifications'>, { signal }: CallOptions = {}): Promise<FoundVerification[]> {
    const { api, send, maxRetries } = this.#transport
    const { data } = await send<'listVerifications'>(
      signal => api.GET('/verifications', { params: { query }, signal }), { signal, maxRetries },
    )
    return data
  }

  /**
   * Waits until the verification is final, however long the gateway is unreachable: abort `signal` to stop. Rejects
   * with a `ProblemError` if waiting cannot help: 401, 403, 404 or 410.
   */
  async waitForResult (id: string, { signal, onChange }: WaitOptions = {}): Promise<Verification> {
    const sending = { signal, maxRetries: Infinity }
    let known = await this.#read(id, {}, sending)
    onChange?.(known)
    while (known.status === 'pending') {
      const askedAt = Date.now()
      const verification = await this.#read(id, { wait: waitSeconds, revision: known.revision }, sending)
      if (verification.revision > known.revision) {
        known = verification
        onChange?.(known)
      } else if (Date.now() - askedAt < minWaitMs) await pause(minWaitMs, signal)
    }
    return known
  }

  /**
   * Follows a verification by Server-Sent Events: the present state, then each change. Ends after the final event, and
   * reconnects until then.
   */
  events (id: string, options: EventsOptions = {}): AsyncGenerator<VerificationEvent, void, undefined> {
    return followEvents(this.#transport, id, options)
  }

  /** Submits evidence: a code, a token, or `{}` for "the device is done". A wrong code is a `CodeIncorrectError`. */
  async check (id: string, body: Evidence = {}, { signal }: CallOptions = {}): Promise<Verification> {
    const { api, send } = this.#transport
    const params = { path: { id } }
    return send<'checkVerification'>(
      signal => api.POST('/verifications/{id}/check', { params, body, signal }), { signal },
    )
  }

  /** Ends the current attempt and starts the next one. With `revision` a repeated call ends nothing. */
  async next (id: string, body: NextAttempt = {}, { signal }: CallOptions = {}): Promise<Verification> {
    const { api, send } = this.#transport
    const params = { path: { id } }
    return send<'startNextAttempt'>(
      signal => api.POST('/verifications/{id}/next', { params, body, signal }), { signal },
    )
  }

  /** Sends the message of the current attempt again. Too early is a `RateLimitedError`. */
  async resend (id: string, { signal }: CallOptions = {}): Promise<Verification> {
    const { api, send } = this.#transport
    const params = { path: { id } }
    return send<'resendMessage'>(signal => api.POST('/verifications/{id}/resend', { params, signal }), { signal })
  }

  /** Cancels a verification. */
  async cancel (id: string, { signal }: CallOptions = {}): Promise<Verification> {
    const { api, send } = this.#transport
    const params = { path: { id } }
    return send<'cancelVerification'>(signal => api.POST('/verifications/{id}/cancel', { params, signal }), { signal })
  }

  /** Erases a verification immediately. */
  async erase (id: string, { signal }: CallOptions = {}): Promise<void> {
    const { api, send } = this.#transport
    const params = { path: { id } }
    await send<'eraseVerification'>(signal => api.DELETE('/verifications/{id}', { params, signal }), { signal })
  }

  /** Which methods can serve a number. */
  async eligibility (body: EligibilityQuestion, { signal }: CallOptions = {}): Promise<Eligibility[]> {
    const { api, send, maxRetries } = this.#transport
    const { data } = await send<'checkEligibility'>(
      signal => api.POST('/eligibility', { body, signal }), { signal, maxRetries },
    )
    return data
  }

  /** The configured providers, their methods and their health. */
  async providers ({ signal }: CallOptions = {}): Promise<Provider[]> {
    const { api, send, maxRetries } = this.#transport
    const { data } = await send<'listProviders'>(signal => api.GET('/providers', { signal }), { signal, maxRetries })
    return data
  }

  /** One page of the delivery log. */
  async deliveries (query: QueryOf<'listDeliveries'> = {}, { signal }: CallOptions = {}): Promise<DeliveryList> {
    const { api, send, maxRetries } = this.#transport
    return send<'listDeliveries'>(
      signal => api.GET('/webhooks/deliveries', { params: { query }, signal }), { signal, maxRetries },
    )
  }

  /** Sends an event again. */
  async replayDelivery (deliveryId: string, { signal }: CallOptions = {}): Promise<Delivery> {
    const { api, send } = this.#transport
    const params = { path: { deliveryId } }
    return send<'replayDelivery'>(
      signal => api.POST('/webhooks/deliveries/{deliveryId}/replay', { params, signal }), { signal },
    )
  }

  /** Sends a test event to the app's webhook. */
  async testWebhook ({ signal }: CallOptions = {}): Promise<Delivery> {
    const { api, send } = this.#transport
    return send<'testWebhook'>(signal => api.POST('/webhooks/test', { signal }), { signal })
  }

  async #read (id: string, query: QueryOf<'getVerification'>, sending: Sending): Promise<Verification> {
    const { api, send } = this.#transport
    return send<'getVerification'>(
      signal => api.GET('/verifications/{id}', { params: { path: { id }, query }, signal }),
      query.wait === undefined ? sending : { ...sending, timeoutMs: waitTimeoutMs },
    )
  }
}
