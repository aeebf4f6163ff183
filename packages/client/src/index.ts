export { Verigate } from './client.ts'
export {
  CodeIncorrectError, ConnectionError, InvalidStateError, ProblemError, RateLimitedError, UnavailableError,
  VerificationInProgressError,
} from './errors.ts'
export type {
  CallOptions, ClientOptions, CreateOptions, Credential, EventsOptions, VerificationEvent, WaitOptions,
} from './options.ts'
export type * from './schema.ts'
export { verifyWebhook, WebhookSignatureError, type WebhookEvent, type WebhookHeaders } from './webhooks.ts'
