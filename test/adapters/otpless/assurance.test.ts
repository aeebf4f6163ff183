import t from 'tap'
import { assuranceOfIdentity, assuranceOfOtp } from '../../../src/adapters/otpless/assurance.ts'
import { levelOf } from '../../../src/core/assurance.ts'

t.test('a code is restricted when it may have come by SMS or voice', async t => {
  for (const [channels, restricted] of [
    [['SMS'], true], [['VOICE_CALL'], true], [['WHATSAPP', 'SMS'], true], [['WHATSAPP'], false],
    [['VIBER', 'WHATSAPP'], false], [['PIGEON'], true],
  ] as const) {
    t.strictSame(assuranceOfOtp(channels), { possession: 'message', binding: 'session', restricted }, channels.join())
  }
})

t.test('an identity shows what its channel and its methods say', async t => {
  for (const [channel, methods, possession, binding, restricted] of [
    ['OAUTH', ['TRUE_CALLER'], 'account', 'session', false],
    ['OTP', ['SMS'], 'message', 'session', true],
    ['OTP', ['WHATSAPP'], 'message', 'session', false],
    ['OTP_LINK', ['SMS'], 'message', 'none', true],
    ['MAGIC_LINK', ['WHATSAPP'], 'message', 'none', false],
    ['VOICE_APPROVAL', ['VOICE_CALL'], 'message', 'none', true],
    ['SILENT_AUTH', ['SILENT_AUTH'], 'sim', 'none', false],
  ] as const) {
    t.strictSame(assuranceOfIdentity({ channel, methods }), { possession, binding, restricted }, channel)
  }
})

t.test('in doubt it is the weaker one', async t => {
  for (const identity of [
    null, 'OAUTH', {}, { channel: null }, { channel: 5 }, { channel: 'oauth' }, { channel: 'NEW' },
    { channel: ['OAUTH'] },
  ]) t.equal(levelOf(assuranceOfIdentity(identity)), 1, JSON.stringify(identity))
  for (const methods of [undefined, null, [], 'WHATSAPP', [null], ['WHATSAPP', 5]]) {
    t.ok(assuranceOfIdentity({ channel: 'OTP', methods }).restricted, JSON.stringify(methods))
  }
})
