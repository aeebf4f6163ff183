import { createHmac, hash } from 'node:crypto'
import type { Callback } from '../../../src/adapters/adapter.ts'
import { callbackKey, type Answer, type Call, type Contract, type Vendor } from '../../../src/conformance/index.ts'
import { toy } from './index.ts'

/** What the methods of the toy provider promise. */

const phoneNumber = '+14155550100'
const settings = ({ origin }: Vendor) => ({ TOY_KEY: 'key-1', TOY_SECRET: 'secret-1', TOY_URL: origin })
const isCreate = ({ method, path }: Call) => method === 'POST' && path === '/toy/checks'
const isRead = ({ method, path }: Call) => method === 'GET' && path === '/toy/checks/c1'
const isCode = ({ path }: Call) => path === '/toy/checks/c1/code'
const isToken = ({ path }: Call) => path === '/toy/token'
const status = (text: string): Answer => ({ body: { id: 'c1', status: text } })
const misconfigured = { failed: 'provider_misconfigured', retryable: false }
const refusals = (code: number) => code === 401 ? misconfigured : null

/** A webhook as the provider signs it. */
function sign (body: unknown, secret = 'secret-1'): Pick<Callback, 'headers' | 'rawBody' | 'body'> {
  const rawBody = Buffer.from(JSON.stringify(body))
  const signature = createHmac('sha256', secret).update(rawBody).digest('base64url')
  return { headers: { 'x-toy-signature': signature }, rawBody, body }
}
const webhook = (event: string, secret?: string) => sign({ id: 'c1', event, at: 1_000 }, secret)
const callbacks: Contract['callbacks'] = [
  { callback: webhook('proven'), received: { providerId: 'c1', type: 'evidence', evidence: {} } },
  { callback: webhook('refused'), received: { providerId: 'c1', type: 'denied', reason: 'user_rejected' } },
  {
    callback: webhook('delivered'),
    received: {
      providerId: 'c1', type: 'delivery', delivery: { status: 'delivered', channel: 'sms', at: 1_000 },
    },
  },
  { callback: webhook('other'), received: null },
  { callback: webhook('proven', 'secret-2'), received: { type: 'refused', cause: 'signature_invalid' } },
  { callback: { ...webhook('proven'), headers: {} }, received: { type: 'refused', cause: 'signature_missing' } },
]
const common = {
  provider: toy, settings, secrets: ['key-1', 'secret-1'], attempt: { phoneNumber }, singleUse: null,
  sign: (body: unknown) => sign(body),
  cancel: ({ method, path }: Call) => method === 'DELETE' && path === '/toy/checks/c1',
}

export const toyCall: Contract = {
  ...common,
  method: 'toy.call',
  vendor: (_vendor, call) => isCreate(call) ? { body: { id: 'c1' } } : status('proven'),
  action: () => ({ type: 'answerCall' }),
  poll: { afterMs: 100 },
  good: { evidence: {}, proven: { phoneNumber } },
  assurance: { possession: 'message', binding: 'none', restricted: true },
  callbacks,
  bad: [
    { name: 'not answered', vendor: () => status('pending'), ends: { verdict: 'pending', retryAfterMs: 100 } },
    { name: 'refused', vendor: () => status('refused'), ends: { verdict: 'denied', reason: 'user_rejected' } },
    {
      name: 'another check', vendor: () => ({ body: { id: 'c2', status: 'proven' } }),
      ends: { failed: 'provider_bad_response' },
    },
  ],
  refusals: [
    { call: isCreate, phase: 'start', ends: refusals }, { call: isRead, phase: 'resolve', ends: refusals },
  ],
}

export const toySilent: Contract = {
  ...common,
  method: 'toy.silent',
  vendor: (_vendor, call) => isCreate(call) ? { body: { id: 'c1' } } : status('proven'),
  action: ({ origin }) => ({ type: 'openUrlOnCellular', url: `${origin}/toy/open/c1`, finish: 'none' }),
  good: { evidence: { code: '550100' }, proven: { phoneNumber } },
  assurance: { possession: 'message', binding: 'session', restricted: true },
  callbacks: [...callbacks, {
    callback: webhook('sms'),
    received: {
      providerId: 'c1', type: 'updated', state: { id: 'c1' },
      action: { type: 'submitCode', length: 6, channels: ['SMS'] },
    },
  }],
  bad: [
    { name: 'a wrong code', vendor: () => status('wrong'), ends: { verdict: 'incorrect' } },
    {
      name: 'the next step', evidence: {}, vendor: () => status('sms'),
      ends: { verdict: 'pending', state: { id: 'c1' }, action: { type: 'submitCode', length: 6, channels: ['SMS'] } },
    },
  ],
  refusals: [
    { call: isCreate, phase: 'start', ends: refusals }, { call: isCode, phase: 'resolve', ends: refusals },
  ],
}

const redirectUrl = 'https://verify.example/callbacks/toy'
const redirectKey = callbackKey.toLowerCase()
const verifier = Buffer.alloc(32, 1).toString('base64url')
const challenge = hash('sha256', verifier, 'base64url')
const { cancel: _cancel, sign: _sign, ...rest } = common
export const toyLogin: Contract = {
  ...rest,
  method: 'toy.login',
  attempt: { phoneNumber, redirectUrl, redirectKey },
  vendor: (_vendor, call) => isToken(call) ? { body: { token: 't1' } } : { body: { number: 14155550100 } },
  action: ({ origin }) => {
    const query = new URLSearchParams({
      redirect_uri: redirectUrl, state: redirectKey, login_hint: phoneNumber, code_challenge: challenge,
    })
    return { type: 'openUrlOnCellular', url: `${origin}/toy/authorize?${query}`, finish: 'code' }
  },
  usesRandomness: true,
  good: { evidence: { code: 'code-1' }, proven: { phoneNumber } },
  assurance: { possession: 'sim', binding: 'session', restricted: false },
  singleUse: 'code-1',
  returns: [
    { query: { state: redirectKey, code: 'code-1' }, returned: { code: 'code-1' }, key: redirectKey },
    { query: { state: redirectKey, error: 'access_denied' }, returned: { error: 'user_rejected' }, key: redirectKey },
    { query: { state: callbackKey, code: 'code-1' }, returned: null, key: callbackKey },
    { query: { state: 'short', code: 'code-1' }, returned: null, key: null },
  ],
  bad: [
    { name: 'no code', evidence: {}, ends: { verdict: 'denied', reason: 'evidence_invalid' } },
    {
      name: 'a used code', vendor: call => isToken(call) ? { status: 400 } : null,
      ends: { verdict: 'denied', reason: 'evidence_invalid' },
    },
    {
      name: 'a number that is not known yet', vendor: call => isToken(call) ? null : { status: 202 },
      ends: { verdict: 'pending', state: { verifier, token: 't1' } },
    },
  ],
  refusals: [{
    call: isToken, phase: 'resolve',
    ends: code => code === 400 ? { verdict: 'denied', reason: 'evidence_invalid' } : refusals(code),
  }],
}
