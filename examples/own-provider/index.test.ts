import { test } from 'node:test'
import { contract, type Call } from 'verigate/conformance'
import { globex } from './index.ts'

const phoneNumber = '+14155550100'
const isCreate = ({ path }: Call) => path === '/v1/checks'
const isCode = ({ path }: Call) => path === '/v1/checks/chk-1/code'
const misconfigured = { failed: 'provider_misconfigured', retryable: false }
const refusals = (status: number) => status === 401 ? misconfigured : null

test('globex.sms', t => contract(t, {
  provider: globex,
  method: 'globex.sms',
  settings: ({ origin }) => ({ GLOBEX_KEY: 'key-7Q2', GLOBEX_URL: origin }),
  secrets: ['key-7Q2'],
  attempt: { phoneNumber },
  vendor: (_vendor, call) => ({ body: isCreate(call) ? { id: 'chk-1' } : { id: 'chk-1', result: 'passed' } }),
  action: () => ({ type: 'submitCode', length: 6, channels: ['SMS'] }),
  good: { evidence: { code: '550100' }, proven: { phoneNumber } },
  assurance: { possession: 'message', binding: 'session', restricted: true },
  singleUse: null,
  bad: [
    { name: 'a wrong code', vendor: () => ({ body: { result: 'failed' } }), ends: { verdict: 'incorrect' } },
    {
      name: 'too late', vendor: () => ({ status: 410, body: { error: 'check_expired' } }),
      ends: { verdict: 'denied', reason: 'evidence_expired' },
    },
    { name: 'no credit', vendor: () => ({ status: 402, body: { error: 'no_credit' } }), ends: misconfigured },
    { name: 'no code', evidence: {}, ends: { verdict: 'denied', reason: 'evidence_invalid' } },
    {
      name: 'an unknown result', vendor: () => ({ body: { result: 'maybe' } }),
      ends: { failed: 'provider_bad_response' },
    },
  ],
  refusals: [
    { call: isCreate, phase: 'start', ends: refusals }, { call: isCode, phase: 'resolve', ends: refusals },
  ],
}))
