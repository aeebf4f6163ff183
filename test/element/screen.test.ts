import t from 'tap'
import { choicesOf, clock, screenOf } from '../../packages/element/src/screen.ts'
import { english } from '../../packages/element/src/texts.ts'
import type { Action, Verification } from '../../packages/element/src/verification.ts'

const at = (ms: number): string => new Date(ms).toISOString()
const attempt = { id: 'att_1', provider: 'truecaller', status: 'pending', reason: null }

const verification = (nextAction: Action | null, rest: Partial<Verification> = {}): Verification => ({
  id: 'ver_1', status: 'pending', reason: null, phoneNumber: '+1********00', nextAction, availableActions: [],
  workflow: [{}, {}], attempts: [attempt], revision: 1, updatedAt: at(0), ...rest,
})

t.test('each type of next action has its screen', async t => {
  for (const [action, expected] of [
    [{ type: 'approveOnDevice', app: 'truecaller' }, {
      name: 'approve', text: 'Open Truecaller and approve the request.', isBusy: true, hasContinue: false,
    }],
    [{ type: 'openDeepLink' }, { name: 'deepLink', title: 'Continue in Truecaller', isBusy: false, hasContinue: true }],
    [{ type: 'openUrlOnCellular' }, { name: 'cellular', isBusy: true, hasContinue: true }],
    [{ type: 'openUrl' }, { name: 'url', isBusy: false, hasContinue: true }],
    [{ type: 'submitToken' }, { name: 'wait', isBusy: true }],
    [{ type: 'submitCode', length: 4, channels: ['SMS', 'WHATSAPP'] }, {
      name: 'code', text: 'We sent it to \u2066+1********00\u2069 by SMS / WhatsApp.', isBusy: false,
      codeLabel: 'Code with 4 digits',
    }],
    [{ type: 'openMessageLink', channels: ['VIBER'] }, { name: 'link', text: /by Viber\.$/, isBusy: true }],
    [{ type: 'answerCall' }, { name: 'call', text: /\+1\*{8}00/, isBusy: true }],
    [{ type: 'wait' }, { name: 'wait', title: 'One moment…', text: '', isBusy: true }],
    [{ type: 'danceOnTable' }, { name: 'wait', isBusy: true, codeLabel: null, hasContinue: false }],
  ] as const) {
    t.match(screenOf(verification(action), english), expected, action.type)
  }
})

t.test('only another thing to do is another screen', async t => {
  const keyOf = (id: string, type: string, revision: number): string =>
    screenOf(verification({ type }, { attempts: [{ ...attempt, id }], revision }), english).key
  t.equal(keyOf('att_1', 'submitCode', 4), keyOf('att_1', 'submitCode', 7))
  t.not(keyOf('att_1', 'submitCode', 4), keyOf('att_2', 'submitCode', 4))
  t.not(keyOf('att_1', 'submitCode', 4), keyOf('att_1', 'wait', 4))
})

t.test('the ends', async t => {
  const end = (status: Verification['status'], reason: string | null) =>
    screenOf(verification(null, { status, reason }), english)
  t.match(end('verified', null), { name: 'verified', text: '', isBusy: false })
  for (const [status, reason, text] of [
    ['failed', 'user_rejected', 'The request was declined. Start again, or try later.'],
    ['failed', 'provider_unavailable', 'Start again, or try later.'],
    ['failed', null, 'Start again, or try later.'],
    ['expired', 'deadline', 'There was no answer in time. Start again, or try later.'],
    ['canceled', 'app_canceled', 'Start again, or try later.'],
    ['failed', 'other', 'Start again, or try later.'],
    ['failed', 'constructor', 'Start again, or try later.'],
  ] as const) {
    t.match(end(status, reason), { name: 'failed', text, isBusy: false, codeLabel: null }, `${status} ${reason}`)
  }
  t.match(screenOf(null, english), { name: 'wait', isBusy: true })
  t.match(screenOf(null, english, 'unavailable'), { name: 'unavailable', isBusy: false })
  t.match(screenOf(null, english, 'elsewhere'), { name: 'elsewhere', isBusy: false })
})

t.test('it says why there is another way now', async t => {
  const text = (...ended: { status: string, reason: string | null }[]): string => {
    const attempts = [...ended.map(one => ({ ...attempt, ...one })), attempt]
    return screenOf(verification({ type: 'wait' }, { attempts }), english).text
  }
  t.equal(text({ status: 'failed', reason: 'not_on_cellular' }), 'Your phone was not on mobile data.')
  t.equal(text({ status: 'expired', reason: 'attempt_timeout' }), 'There was no answer in time.')
  t.equal(text({ status: 'failed', reason: 'provider_error' }), 'The first way did not work.')
  t.equal(text({ status: 'failed', reason: 'abandoned' }), '', 'the person wanted it')
  t.equal(text({ status: 'skipped', reason: 'recently_tried' }), '', 'it was never seen')
  t.equal(
    text({ status: 'failed', reason: 'not_on_cellular' }, { status: 'failed', reason: 'app_not_installed' }),
    'The app was not found on this device.',
  )
})

t.test('what else can be done, and when', async t => {
  const now = 1_700_000_000_000
  const choices = (availableActions: Verification['availableActions'], rest: Partial<Verification> = {}) =>
    choicesOf(verification({ type: 'submitCode' }, { availableActions, ...rest }), english, now)
  const next = { action: 'next', availableAt: at(now) }
  const resend = { action: 'resend', availableAt: at(now + 29_400), remaining: 2 }
  t.strictSame(choices([next, resend]), [
    { action: 'resend', label: 'Send again in 0:30', waitMs: 29_400 },
    { action: 'next', label: 'Another way', waitMs: 0 },
  ])
  t.strictSame(choices([{ ...resend, availableAt: at(now) }]), [{ action: 'resend', label: 'Send again', waitMs: 0 }])
  t.strictSame(choices([{ ...resend, availableAt: at(now - 5_000) }]), [
    { action: 'resend', label: 'Send again', waitMs: 0 },
  ])
  t.strictSame(choices([{ ...next, availableAt: at(now + 800) }], { updatedAt: at(now + 800) }), [
    { action: 'next', label: 'Another way', waitMs: 0 },
  ], 'the state is newer than the clock')
  t.strictSame(choices([next], { workflow: [{}] }), [], 'the last method: there is no other way')
  t.strictSame(choices([{ ...next, action: 'dance' }]), [], 'an action of a later version')
  t.strictSame(choices([next, resend], { status: 'verified' }), [])
})

t.test('the clock', async t => {
  for (const [ms, text] of [[1, '0:01'], [999, '0:01'], [1_000, '0:01'], [59_001, '1:00'], [61_000, '1:01'], [
    3_600_000, '60:00',
  ]] as const) t.equal(clock(ms), text)
})
