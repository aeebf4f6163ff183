import {
  createReader, credential, deny, membersOf, readCredential, readOrigin, readString, readText, refusal, setting, Type,
  type Adapter, type AdapterIo, type AttemptContext, type Json, type Method, type Outcome, type Provider,
  type ProviderAnswer, type Reason, type Settings, type Started,
} from 'verigate/adapter'

/** Globex, which does not exist: it makes a code, sends it by SMS, and judges what the user types. */

const settings = Type.Object({
  GLOBEX_KEY: credential('API key. Turns the provider on.'),
  GLOBEX_URL: setting('Origin of the API (https://api.globex.example).'),
})

const sms: Method = {
  needsPhoneNumber: true, evidence: ['code'], nextActions: ['submitCode'], userStep: 'types a code',
  assurance: { possession: 'message', binding: 'session', restricted: true },
  timeoutMs: 300_000, codeAttempts: 3, options: Type.Object({}, { additionalProperties: false }),
  isRepeatable: false, sendsMessage: true,
}

/** An answer about a check. An error code is an error, whatever the HTTP status. */
const readCheck = createReader({ id: readText, result: readString, error: readString })

/** https://docs.globex.example/errors */
const errors: Readonly<Record<string, Reason>> = {
  bad_key: 'provider_misconfigured', no_credit: 'provider_misconfigured',
  number_unsupported: 'carrier_unsupported', check_expired: 'evidence_expired', check_unknown: 'evidence_invalid',
}

function reasonOf ({ status, body }: ProviderAnswer): Reason | null {
  const { error } = readCheck(body)
  if (error !== null && Object.hasOwn(errors, error)) return errors[error] ?? null
  if (status === 401) return 'provider_misconfigured'
  return status >= 400 || error !== null ? 'provider_bad_response' : null
}

export const globex: Provider<typeof settings> = { provider: 'globex', settings, open }

function open (env: Settings, io: AdapterIo, provider: string): Adapter | null {
  if (!env['GLOBEX_KEY']) return null
  const key = readCredential('GLOBEX_KEY', env['GLOBEX_KEY'])
  const origin = readOrigin('GLOBEX_URL', env['GLOBEX_URL'] || 'https://api.globex.example', io.allowInsecure)
  const http = io.openHttp(provider, [new URL(origin).host])
  const post = (call: string, path: string, body: object): Promise<ProviderAnswer> => http({
    method: 'POST', url: `${origin}/v1/checks${path}`, call, body: JSON.stringify(body),
    headers: { 'authorization': `Bearer ${key}`, 'content-type': 'application/json' },
  })

  async function start ({ phoneNumber }: AttemptContext): Promise<Started> {
    const answer = await post('create check', '', { to: phoneNumber })
    const { id } = readCheck(answer.body)
    const reason = reasonOf(answer)
    if (reason !== null || id === null) {
      throw refusal(provider, 'create check', reason ?? 'provider_bad_response', answer)
    }
    return { id, state: { id }, action: { type: 'submitCode', length: 6, channels: ['SMS'] } }
  }

  async function resolve ({ phoneNumber, state }: AttemptContext, evidence: Json): Promise<Outcome> {
    const [id, code] = [readText(membersOf(state)['id']), readText(membersOf(evidence)['code'])]
    if (id === null || code === null || phoneNumber === null) return { verdict: 'denied', reason: 'evidence_invalid' }
    const answer = await post('judge code', `/${encodeURIComponent(id)}/code`, { code })
    const reason = reasonOf(answer)
    if (reason !== null) return deny(provider, 'judge code', reason, answer)
    const { result } = readCheck(answer.body)
    if (result === 'passed') return { verdict: 'proven', phoneNumber }
    if (result === 'failed') return { verdict: 'incorrect' }
    throw refusal(provider, 'judge code', 'provider_bad_response', answer)
  }

  return { provider, methods: { [`${provider}.sms`]: sms }, start, resolve }
}
