import { createHmac, createPublicKey, verify } from 'node:crypto'
import t from 'tap'
import { ask, setting, start } from '../receiver.ts'

type Started = Awaited<ReturnType<typeof start>>
const json = { 'content-type': 'application/json' }
const requestNonce = 'nonce-0123456789'
const algorithm = 'RSA-SHA512'

const sdk = ({ simulators }: Started, body: object) =>
  ask(`${simulators.url}/handset/truecaller/payload`, 'POST', json, { requestNonce, ...body })

async function keysOf ({ simulators }: Started): Promise<{ keyType: string, key: string }[]> {
  const answer = await fetch(`${simulators.url}/v1/key`)
  return await answer.json() as { keyType: string, key: string }[]
}

/** Which of the published keys signed this, and the profile in it. */
async function open (started: Started, { payload, signature }: Record<string, unknown>) {
  const text = Buffer.from(String(payload))
  const bytes = Buffer.from(String(signature), 'base64')
  const keys = (await keysOf(started)).map(({ key }) =>
    createPublicKey({ key: Buffer.from(key, 'base64'), format: 'der', type: 'spki' }))
  return {
    signers: keys.flatMap((key, place) => verify(algorithm, text, key, bytes) ? [place] : []),
    isOfContent: keys.some(key => verify(algorithm, Buffer.from(String(payload), 'base64'), key, bytes)),
    profile: JSON.parse(Buffer.from(String(payload), 'base64').toString()) as Record<string, unknown>,
  }
}

t.test('a profile, signed by the first of two published keys over the base64 text', async t => {
  const now = Date.now()
  const started = await start(t, { now: () => now })
  const answer = await sdk(started, { phoneNumber: '+919876543200' })
  t.strictSame(Object.keys(answer.json), ['payload', 'signature', 'signatureAlgorithm'])
  t.equal(answer.json['signatureAlgorithm'], 'SHA512withRSA')
  const { signers, isOfContent, profile } = await open(started, answer.json)
  t.strictSame(signers, [0], 'the one that the vendor\'s sample reads')
  t.notOk(isOfContent)
  const appKey = setting(started.simulators, 'TRUECALLER_APP_KEY')
  t.strictSame(profile, {
    requestNonce, requestTime: Math.floor(now / 1000), phoneNumber: '+919876543200', firstName: 'Ada',
    lastName: 'Example', gender: 'F', countryCode: 'in', email: 'ada@example.com', isTrueName: true,
    isAmbassador: false, verifier: createHmac('sha256', appKey).update('com.example.sandbox').digest('hex'),
  })
  t.match(await keysOf(started), [{ keyType: 'RSA', key: String }, { keyType: 'RSA', key: String }])
})

t.test('a new key signs after the rotation, and the old one stays published for a while', async t => {
  const started = await start(t)
  const rotate = () => ask(`${started.simulators.url}/control/truecaller/rotate-key`, 'POST')
  const before = (await sdk(started, { phoneNumber: '+919876543200' })).json
  const [old] = await keysOf(started)
  t.equal((await rotate()).status, 204)
  const after = (await sdk(started, { phoneNumber: '+919876543200' })).json
  t.strictSame((await keysOf(started))[1], old)
  t.strictSame((await open(started, before)).signers, [1])
  t.strictSame((await open(started, after)).signers, [0])
  await rotate()
  t.strictSame((await open(started, before)).signers, [])
})

t.test('scenarios', async t => {
  const now = Date.now()
  const started = await start(t, { now: () => now, slowMs: 120 })
  const of = async (phoneNumber: string, more: object = {}) =>
    open(started, (await sdk(started, { phoneNumber, ...more })).json)
  t.match((await of('919876543201')).profile, { phoneNumber: '+919876543202' })
  t.strictSame((await of('919876581199')).signers, [], 'a key that Truecaller does not have')
  const expired = await of('919876582199')
  t.strictSame(expired.signers, [0])
  t.ok(Number(expired.profile['requestTime']) < now / 1000 - 3600)
  const malformed = await of('919876543198')
  t.strictSame([malformed.signers, 'phoneNumber' in malformed.profile], [[0], false])
  t.match((await of('919876581198')).profile, { phoneNumber: 919876581198, requestTime: /^\d+$/, email: null })
  t.match((await of('919876543200', { verifier: 'of-another-app' })).profile, { verifier: 'of-another-app' })
  for (const [phoneNumber, status] of [
    ['919876543199', 500], ['919876543192', 204], ['919876543190', 403], ['919876543191', 404],
  ] as const) t.equal((await sdk(started, { phoneNumber })).status, status, phoneNumber)
  for (const nonce of ['short', 'not/safe!', 'n'.repeat(65)]) {
    t.equal((await sdk(started, { phoneNumber: '919876543200', requestNonce: nonce })).status, 400)
  }
})
