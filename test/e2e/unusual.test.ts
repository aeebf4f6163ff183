import t from 'tap'
import { simulators as every } from '../../src/sandbox/simulators.ts'
import { startGateway } from '../helpers/gateway.ts'
import { act, codeFor } from './end-user.ts'

const methods: Record<string, object> = {
  'truecaller.push': {}, 'truecaller.web': {}, 'truecaller.oauth': {}, 'truecaller.payload': {},
  'truecaller.missed_call': {}, 'truid.subscriber_check': {}, 'truid.phone_check': { version: 'v0.2' },
  'truid.phone_check of v0.1': { version: 'v0.1' }, 'otpless.otp': {}, 'otpless.token': {}, 'otpless.magic_link': {},
  'otpless.otp_link': {}, 'otpless.oauth': {}, 'otpless.oauth with Truecaller': { channel: 'TRUE_CALLER' },
  'otpless.voice_approval': {}, 'otpless.sna': {}, 'twilio.sms': {}, 'twilio.whatsapp': {}, 'twilio.call': {},
  'twilio.sna': {}, 'telegram.code': {}, 'camara.number_verification': {}, 'camara.sms': {}, 'vonage.silent_auth': {},
  'vonage.sms': {}, 'vonage.whatsapp': {}, 'vonage.voice': {}, 'acme.sms': {},
}
/** Their browser comes back, and the front end brings the code. */
const isReturning = (name: string): boolean => /^otpless\.(magic_link|otp_link|oauth)|^camara\.number/.test(name)

t.test('answers with null members, other types and other spellings verify the number', async t => {
  const { shop, simulators } = await startGateway(t, { simulatorOptions: { simulators: every } })
  await Promise.all(Object.entries(methods).map(async ([name, options], place) => {
    // Missed calls are for India.
    const phoneNumber = `${name === 'truecaller.missed_call' ? '+91987' : '+1415'}${20 + place}81098`
    const { body } = await shop.create({
      phoneNumber, workflow: [{ method: name.split(' ')[0], options }],
      ...isReturning(name) ? { returnUrl: 'https://shop.example/verified' } : {},
    })
    if (name === 'otpless.otp') {
      const wrong = await shop.call('POST', `/verifications/${body['id']}/check`, { code: '000000' })
      const expected = { status: 422, body: { code: 'code_incorrect', attemptsRemaining: 4 } }
      t.hasStrict(wrong, expected, 'an error inside a 200')
      t.not(codeFor(phoneNumber), '000000')
    }
    await act(shop, simulators, body, phoneNumber)
    const ended = await shop.waitFor(body['id'])
    t.hasStrict(ended, { status: 'verified', phoneNumber, result: { phoneNumber } }, name)
  }))
})
