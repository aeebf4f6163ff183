import t from 'tap'
import { Compile } from 'typebox/compile'
import { camara } from '../../../src/adapters/camara/index.ts'
import { endingOf, openAdapter, openIo, openVendor } from '../../../src/conformance/index.ts'
import {
  accessToken, answerWell, attempt, code, error, isSwap, isVerify, noRepeat, open, phoneNumber, privateKey,
  say, settings, smsAttempt,
} from './vendor.ts'

t.test('a SIM swap is asked for after a proof, and never changes it', async t => {
  const vendor = await openVendor(t, answerWell)
  const options = { signals: ['simSwap'] }
  const outcomeOf = async (
    answer: ReturnType<typeof say>, method: 'number_verification' | 'sms' = 'number_verification',
  ) => {
    vendor.answer = call => answer(call) ?? answerWell(vendor, call)
    const adapter = open(t, vendor)
    const asked = { ...method === 'sms' ? smsAttempt : attempt, options }
    const { state } = await adapter.start(asked)
    vendor.calls.length = 0
    return adapter.resolve({ ...asked, state }, { code: 'AJY3' }, noRepeat)
  }
  for (const method of ['number_verification', 'sms'] as const) {
    for (const swapped of [true, false]) {
      t.same(await outcomeOf(say(isSwap, { body: { swapped } }), method), {
        verdict: 'proven', phoneNumber, signals: { simSwap: swapped },
      })
      const call = vendor.calls.find(isSwap)
      t.same(call?.body, { phoneNumber, maxAge: 240 })
      t.equal(call?.headers.authorization, `Bearer ${accessToken}`)
    }
  }
  for (const answer of [
    { status: 500 }, error(403, 'PERMISSION_DENIED'), error(422, 'SERVICE_NOT_APPLICABLE'), { body: {} },
    { body: { swapped: 'true' } }, { body: '<html>' }, error(200, 'NOT_FOUND'), { status: 429 },
  ]) {
    t.same(await outcomeOf(say(isSwap, answer)), { verdict: 'proven', phoneNumber }, JSON.stringify(answer))
  }
  t.match(await outcomeOf(say(isVerify, { body: { devicePhoneNumberVerified: false } })), { verdict: 'denied' })
  t.notOk(vendor.calls.some(isSwap), 'only after a proof')
  const adapter = open(t, vendor)
  vendor.answer = call => answerWell(vendor, call)
  const { state } = await adapter.start(attempt)
  t.same(await adapter.resolve({ ...attempt, state }, { code }, noRepeat), { verdict: 'proven', phoneNumber })
  t.notOk(vendor.calls.some(isSwap), 'only where it is asked for')
})

t.test('a SIM swap is not asked for when the answer would come too late', async t => {
  const vendor = await openVendor(t, answerWell)
  for (const [verifyMs, isAsked] of [[5_000, true], [5_100, false]] as const) {
    let time = Date.now()
    vendor.answer = call => {
      if (isVerify(call)) time += verifyMs
      return answerWell(vendor, call)
    }
    const adapter = openAdapter(camara, settings(vendor), { ...openIo(t), now: () => time })
    const asked = { ...attempt, options: { signals: ['simSwap'] } }
    const { state } = await adapter.start(asked)
    vendor.calls.length = 0
    const signals = isAsked ? { signals: { simSwap: false } } : {}
    t.same(await adapter.resolve({ ...asked, state }, { code }, noRepeat), {
      verdict: 'proven', phoneNumber, ...signals,
    }, `${verifyMs} ms`)
    t.equal(vendor.calls.some(isSwap), isAsked)
  }
})

t.test('what the operator offers', async t => {
  const vendor = await openVendor(t, answerWell)
  for (const [text, methods, path] of [
    ['', ['number_verification'], 'number-verification/v2/verify'], ['sms', ['sms'], null],
    ['number_verification:v1, sms:v2', ['number_verification', 'sms'], 'number-verification/v1/verify'],
    ['sim_swap', [], null],
  ] as const) {
    const adapter = open(t, vendor, { CAMARA_SERVICES: text })
    t.same(Object.keys(adapter.methods), methods.map(name => `camara.${name}`), text)
    for (const { options } of Object.values(adapter.methods)) {
      t.notOk(Compile(options).Check({ signals: ['simSwap'] }), 'no signal without the service')
    }
    if (path === null) continue
    await endingOf(adapter.resolve({ ...attempt, state: { verifier: 'v', accessToken } }, { code }, noRepeat))
    t.equal(vendor.calls.at(-1)?.path, `/api/${path}`)
  }
  const { methods } = open(t, vendor)
  for (const { options } of Object.values(methods)) {
    t.ok(Compile(options).Check({ signals: ['simSwap'] }))
    t.notOk(Compile(options).Check({ signals: ['other'] }))
  }
})

t.test('settings that can never work name the variable', async t => {
  const vendor = await openVendor(t, answerWell)
  for (const [name, ...values] of [
    ['CAMARA_ISSUER', '', 'not a url', 'ftp://x.example', `${vendor.origin}/?a=1`, `${vendor.origin}/#a`],
    ['CAMARA_API_URL', '', 'https://user@x.example', 'https://x.example/a?b'],
    ['CAMARA_SERVICES', 'sms,sms', 'mail', 'sms:v9', 'sms,'], ['CAMARA_PURPOSE', 'FraudPrevention', 'dpv:a b'],
    ['CAMARA_PRIVATE_KEY', 'x'], ['CAMARA_CLIENT_ID', 'a b'], [
      'CAMARA_SMS_TEXT', 'no code', `{{code}}${'x'.repeat(153)}`,
    ],
    ['CAMARA_SMS_CODE_LENGTH', '3', '11', 'six'],
  ] as const) {
    for (const value of values) {
      t.throws(() => open(t, vendor, { [name]: value }), { message: new RegExp(`^${name} `) }, `${name}=${value}`)
    }
  }
  const io = { ...openIo(t), allowInsecure: false }
  t.throws(() => camara.open(settings(vendor), io, 'camara'), /^CAMARA_ISSUER must be an https URL/)
  t.equal(camara.open({ ...settings(vendor), CAMARA_CLIENT_ID: '', CAMARA_PRIVATE_KEY: '' }, io, 'camara'), null)
  t.match(privateKey, /^-----BEGIN PRIVATE KEY/)
})
