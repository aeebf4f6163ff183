import { createHmac, hash } from 'node:crypto'
import type { Callback } from '../../../src/adapters/adapter.ts'
import { callbackKey, type Answer, type Call, type Vendor } from '../../../src/conformance/index.ts'

/** What https://core.telegram.org/gateway/api documents. */

/** The token that Telegram's tutorial shows. */
export const token = 'AAEFAAAAQKI_mDsJppSEQRr3kLOz9SatBxq48BgQLSHLRv'
export const phoneNumber = '+391234567890'
export const requestId = '187259537046478'

export const settings = ({ origin }: Vendor) => ({ TELEGRAM_API_TOKEN: token, TELEGRAM_API_URL: origin })

export const isSend = ({ path }: Call): boolean => path === '/sendVerificationMessage'
export const isCheck = ({ path }: Call): boolean => path === '/checkVerificationStatus'
export const isRevoke = ({ path }: Call): boolean => path === '/revokeVerificationMessage'

const seconds = (): number => Math.floor(Date.now() / 1000)

export const result = (more: object): Answer => ({
  body: { ok: true, result: { request_id: requestId, phone_number: phoneNumber, request_cost: 0.01, ...more } },
})
export const verified = (status: string, more: object = {}, around: object = {}): Answer => result({
  ...around,
  delivery_status: { status: 'read', updated_at: seconds() },
  verification_status: { status, updated_at: seconds(), code_entered: '012345', ...more },
})
/** A right code that was sent to another number. */
export const sentTo = (other: string): Answer => verified('code_valid', {}, { phone_number: other })
export const refuse = (error?: string, status = 200) => (): Answer => ({ status, body: { ok: false, error } })

export function answerWell (_vendor: Vendor, call: Call): Answer {
  if (isRevoke(call)) return { body: { ok: true, result: true } }
  if (isCheck(call)) return verified('code_valid')
  return result({ remaining_balance: 9.99, delivery_status: { status: 'sent', updated_at: seconds() } })
}

/** A report of the delivery as Telegram submits it. `at`: ms since the epoch. */
export function report (
  body: unknown, { at = Date.now(), by = token }: { at?: number, by?: string } = {},
): Pick<Callback, 'key' | 'headers' | 'rawBody' | 'body'> {
  const [rawBody, time] = [Buffer.from(JSON.stringify(body)), String(Math.floor(at / 1000))]
  const signature = createHmac('sha256', hash('sha256', by, 'buffer')).update(`${time}\n${rawBody}`).digest('hex')
  return {
    key: callbackKey, headers: { 'x-request-timestamp': time, 'x-request-signature': signature }, rawBody, body,
  }
}
export const delivery = (status: string) => ({
  request_id: requestId, phone_number: phoneNumber, request_cost: 0.01,
  delivery_status: { status, updated_at: 1_740_000_000 },
})
