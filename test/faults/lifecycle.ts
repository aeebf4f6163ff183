import type { Client } from '../helpers/gateway.ts'
import { codeOf, retryUntilAnswered, numberOf, type End, type Oracle } from './oracle.ts'

/**
 * The lifecycles in turn: proven, another number proven, no reply, a provider that fails twice, a code that the app
 * submits.
 */
const kinds: { suffix: string, method: string, timeoutSeconds: number, end: End }[] = [
  { suffix: '10', method: 'truecaller.push', timeoutSeconds: 300, end: 'verified' },
  { suffix: '11', method: 'truecaller.push', timeoutSeconds: 300, end: 'failed/number_mismatch' },
  { suffix: '92', method: 'truecaller.push', timeoutSeconds: 2, end: 'expired/attempt_timeout' },
  { suffix: '97', method: 'truecaller.push', timeoutSeconds: 300, end: 'verified' },
  { suffix: '10', method: 'otpless.otp', timeoutSeconds: 300, end: 'verified' },
]

/**
 * Runs the `n`th lifecycle as a client that retries; the oracle judges its end. When the response to a create was lost,
 * it is unknown whether the message was sent, so the verification may also fail.
 */
export async function runLifecycle (n: number, shop: Client, oracle: Oracle, patienceMs = 90_000): Promise<void> {
  const { suffix, method, timeoutSeconds, end } = kinds[n % kinds.length] ?? kinds[0]!
  const phoneNumber = numberOf(n, suffix)
  let tries = 0
  const { status, body } = await retryUntilAnswered(() => {
    tries += 1
    return shop.create(
      { phoneNumber, workflow: [{ method, timeoutSeconds }], reference: `order-${n}` },
      { 'idempotency-key': `key-${n}` },
    )
  }, patienceMs)
  if (status !== 201) throw new Error(`create answered ${status} ${body['code']}`)
  oracle.accept(body['id'], end, ...(tries === 1 ? [] : ['failed/provider_unavailable'] as const))
  if (method === 'otpless.otp' && body['status'] === 'pending') {
    await retryUntilAnswered(
      () => shop.call('POST', `/verifications/${body['id']}/check`, { code: codeOf(phoneNumber) }), patienceMs,
    )
  }
}
