import type { SimulatorContext } from '../simulator.ts'
import type { Codes } from './codes.ts'
import type { IdTokens } from './id-token.ts'
import type { Links } from './links.ts'
import type { Messages } from './messages.ts'
import type { Requests } from './requests.ts'
import type { Tokens } from './tokens.ts'
import type { Webhooks } from './webhooks.ts'

/** What the routes share. */
export type Parts = {
  context: SimulatorContext, requests: Requests, messages: Messages, tokens: Tokens, webhooks: Webhooks
  idTokens: IdTokens, codes: Codes, links: Links
}
