import { anAttempt, type Answer, type Call, type Contract, type Vendor } from '../../../src/conformance/index.ts'
import { createSigner } from './signer.ts'

/** tru.ID as it answers normally, in the shapes of its documentation. */

export const id = 'c69bc0e6-a429-11ea-bb37-0242ac130002'
export const token = '2YotnFZFEjr1zCsicMWpAA'
export const code = '94dae426fg'
export const phoneNumber = '+447700900000'
export const secrets = [
  'client-1', 'secret-1', token, Buffer.from('client-1:secret-1').toString('base64'), code,
]
export const attempt = anAttempt({ method: 'truid.phone_check', phoneNumber })
export const noRepeat = { repeated: false }

export const isToken = ({ path }: Call) => path === '/oauth2/v1/token'
export const isKeys = ({ path }: Call) => path === '/.well-known/jwks.json'
export const isSimCheck = ({ path }: Call) => path === '/sim_check/v0.1/checks'
export const isCountry = ({ path }: Call) => path.startsWith('/coverage/v0.1/countries/')
export const isDevice = ({ path }: Call) => path.startsWith('/coverage/v0.1/device_ips/')
export const isCreate = ({ method, path }: Call) =>
  method === 'POST' && /^\/(phone|subscriber)_check\/v0\.[12]\/checks$/.test(path)
export const isCheck = ({ path }: Call) => path.endsWith(`/checks/${id}`)

export const settings = ({ origin }: Vendor) => (
  { TRUID_CLIENT_ID: 'client-1', TRUID_CLIENT_SECRET: 'secret-1', TRUID_API_URL: origin }
)
export const selfAt = ({ origin }: Vendor, version: string, product = 'phone_check') =>
  `${origin}/${product}/${version}/checks/${id}`

export const check = (more: object) => (
  { check_id: id, status: 'COMPLETED', charge_amount: 1, charge_currency: 'API', ttl: 60, ...more }
)
export const problem = (status: number, type: string) => ({
  status, body: { type: `https://developer.tru.id/docs/reference/api-errors#${type}`, title: 'A title', detail: 'Why' },
})
/** What a SIMCheck says; the sample of the documentation. */
export const simCheck = {
  check_id: id, status: 'COMPLETED', no_sim_change: false, sim_change_within: 43201, no_sim_change_period: 10080,
  charge_amount: 1, charge_currency: 'API', created_at: '2020-06-01T16:43:30+00:00', network_id: '23599',
}
export const products = [
  { product_id: 'pck', product_name: 'PhoneCheck', coverage: 'FULL' },
  { product_id: 'SUK', product_name: 'SubscriberCheck', coverage: 'PARTIAL' },
]

export const signer = createSigner('key-1')

/** A check of SubscriberCheck says more than one of PhoneCheck. */
const simOf = ({ path }: Call) => path.startsWith('/subscriber_check/')
  ? { no_sim_change: true, sim_change_within: 525601 }
  : {}

export function answerWell (vendor: Vendor, call: Call): Answer {
  if (isKeys(call)) return { body: { keys: [signer.jwk] } }
  if (isToken(call)) return {
    body: { access_token: token, token_type: 'bearer', expires_in: 3600, scope: 'phone_check' },
  }
  if (isSimCheck(call)) return { status: 201, body: simCheck }
  if (isCountry(call)) return { body: { country_code: 'GB', dialing_code: 44, products } }
  if (isDevice(call)) return { body: { network_id: '23410', network_name: 'O2 UK', country_code: 'GB', products } }
  if (!isCreate(call)) return { body: check({ match: true, ...simOf(call) }) }
  const [, product, version = ''] = call.path.split('/')
  const self = selfAt(vendor, version, product)
  return {
    status: 201,
    body: check({ status: 'ACCEPTED', _links: { self: { href: self }, check_url: { href: `${self}/redirect` } } }),
  }
}
/** Answers about the check with this; everything else normally. */
export const say = (more: object) => (call: Call): Answer | null => isCheck(call) ? { body: check(more) } : null
export const denied = (reason: string) => ({ verdict: 'denied', reason }) as Contract['bad'][number]['ends']

