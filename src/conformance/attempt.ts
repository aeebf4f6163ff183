import { randomBytes as cryptoRandomBytes } from 'node:crypto'
import type {
  Adapter, AdapterIo, AttemptContext, Eligibility, EligibilityQuestion, Outcome, Provider, Started,
} from '../adapters/adapter.ts'
import { createHttp } from '../adapters/http.ts'
import { ProviderError } from '../core/errors.ts'
import type { Action, Json } from '../core/vocabulary.ts'
import { parsePhoneNumber } from '../phone.ts'
import type { Owner } from './runner.ts'

export const callbackKey = 'AbCdEfGhIjKlMnOpQrStUvWxYz0123456789-_AbCdEfGhIj'
export const callbackUrl = `https://verify.example/callbacks/acme/${callbackKey}`

/**
 * The network, the clock and the random source for an adapter under test. `ownDeadlines`: the shorter ones that the
 * adapter sets hold. On a busy machine they would end requests that are answered.
 */
export function openIo (
  t: Owner, { timeoutMs = 5000, ownDeadlines = false, now = Date.now, randomBytes = cryptoRandomBytes }: {
    timeoutMs?: number, ownDeadlines?: boolean, now?: () => number, randomBytes?: AdapterIo['randomBytes']
  } = {},
): AdapterIo {
  const http = createHttp({ allowInsecure: true, timeoutMs, now })
  t.after(http.close)
  const openHttp: AdapterIo['openHttp'] = (provider, hosts) => {
    const send = http.openHttp(provider, hosts)
    return ownDeadlines ? send : ({ timeoutMs: _own, ...request }) => send(request)
  }
  return { openHttp, now, randomBytes, allowInsecure: true }
}

export function openAdapter (
  provider: Provider, settings: Record<string, string>, io: AdapterIo, id = provider.provider,
): Adapter {
  const adapter = provider.open(settings, io, id)
  if (adapter === null) throw new Error(`${provider.provider} is off`)
  return adapter
}

export function anAttempt (more: Partial<AttemptContext>): AttemptContext {
  return {
    id: 'att_1', method: '', phoneNumber: null, options: {}, locale: null, device: {}, state: null,
    startedAt: Date.now(), expiresAt: Date.now() + 300_000,
    callbackKey, callbackUrl, redirectUrl: null, redirectKey: null, app: { name: 'Shop', host: null },
    code: {
      make: length => ({ code: '4815162342'.slice(0, length), hash: `hash of ${length} digits` }),
      matches: (code, hash) => hash === `hash of ${code.length} digits` && '4815162342'.startsWith(code),
    },
    ...more,
  }
}

export type Ending = Outcome | { started: Action, state: Json } | { failed: string, retryable: boolean }

/**
 * An outcome, what was started, or the reason of a `ProviderError`, which `keep` receives as well. Any other error is a
 * fault of the adapter, and is thrown.
 */
export async function endingOf (
  work: Promise<Outcome | Started>, keep?: (error: ProviderError) => void,
): Promise<Ending> {
  try {
    const done = await work
    return 'verdict' in done ? done : { started: done.action, state: done.state }
  } catch (error) {
    if (!(error instanceof ProviderError)) throw error
    keep?.(error)
    return { failed: error.reason, retryable: error.retryable }
  }
}

/** Asks whether a method can serve a number, as the gateway does: a request is made only for what is not known. */
export async function askEligibility (
  adapter: Adapter, { phoneNumber, ...question }: Omit<EligibilityQuestion, 'country'>,
): Promise<Eligibility> {
  const country = parsePhoneNumber(phoneNumber)?.country ?? null
  const answer = adapter.canServe?.({ ...question, phoneNumber, country }) ?? null
  return typeof answer === 'function' ? answer() : answer
}
