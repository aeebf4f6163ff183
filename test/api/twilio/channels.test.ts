import { Type } from 'typebox'
import t from 'tap'
import type { Method } from '../../../src/adapters/adapter.ts'
import { channelOf, chooseItems, workflowFor, type Channel } from '../../../src/api/twilio/channels.ts'
import { step } from '../../core/fixtures.ts'

const closed = { additionalProperties: false }
const typed: Method = {
  needsPhoneNumber: true, evidence: ['code'], nextActions: ['submitCode'], timeoutMs: 60_000, isRepeatable: false,
  sendsMessage: true, userStep: 'types a code', options: Type.Object({}, closed),
  assurance: { possession: 'message', binding: 'session', restricted: true },
}
const silent: Method = {
  ...typed, nextActions: ['openUrlOnCellular'], evidence: ['none'], sendsMessage: false,
  assurance: { possession: 'sim', binding: 'none', restricted: false },
}
const bound: Method = {
  ...silent, evidence: ['code'], assurance: { possession: 'sim', binding: 'session', restricted: false },
}
const methods = new Map<string, Method>([
  ['acme.sms', typed], ['acme.voice', typed], ['acme.link', { ...typed, nextActions: ['openMessageLink'] }],
  ['many.otp', {
    ...typed, defaultRank: 2,
    options: Type.Object({ channels: Type.Optional(Type.Array(Type.Enum(['SMS', 'WHATSAPP', 'VOICE_CALL']))) }, closed),
  }],
  ['plain.sna', silent], ['bound.check', { ...bound, defaultRank: 1 }],
  ['operator.check', { ...bound, needsReturnUrl: true }],
])
const names = (channel: Channel, workflow?: string[], wantsToken = false) =>
  workflowFor(channel, workflow === undefined ? {} : { workflow }, methods, wantsToken).map(({ method }) => method)

t.test('without a workflow: every method that serves the channel, those of the default workflow first', async t => {
  t.strictSame(workflowFor('sms', {}, methods, false), [
    { method: 'many.otp', options: { channels: ['SMS'] } }, { method: 'acme.sms' },
  ])
  t.strictSame(workflowFor('call', {}, methods, false), [
    { method: 'many.otp', options: { channels: ['VOICE_CALL'] } }, { method: 'acme.voice' },
  ])
  t.strictSame(names('whatsapp'), ['many.otp'])
  t.strictSame(names('sna'), ['plain.sna'], 'a check that needs no code')
  t.strictSame(names('sna', undefined, true), ['bound.check'])
  t.strictSame(names('auto'), ['plain.sna', 'many.otp', 'acme.sms'])
})

t.test('without a workflow, one silent check and one message of a provider that works', async t => {
  const chosen = (channel: Channel, ...failing: string[]) => chooseItems(
    workflowFor(channel, {}, methods, false), { methods, isOpen: name => failing.includes(name) },
  ).map(({ method }) => method)
  t.strictSame(chosen('sms'), ['many.otp'])
  t.strictSame(chosen('sms', 'many.otp'), ['acme.sms'])
  t.strictSame(chosen('sms', 'many.otp', 'acme.sms'), ['many.otp'], 'the first one, where all are failing')
  t.strictSame(chosen('auto'), ['plain.sna', 'many.otp'])
  t.strictSame(chosen('whatsapp', 'many.otp'), ['many.otp'])
})

t.test('the items of the app\'s workflow that serve the channel, with their options', async t => {
  const workflow = [
    'bound.check', { method: 'many.otp', timeoutSeconds: 90, options: { channels: ['WHATSAPP'], x: 1 } },
  ]
  t.strictSame(workflowFor('sms', { workflow }, methods, false), [
    { method: 'many.otp', timeoutSeconds: 90, options: { channels: ['SMS'], x: 1 } },
  ])
  t.strictSame(workflowFor('sna', { workflow }, methods, false), [{ method: 'bound.check' }], 'there is no other one')
  t.strictSame(names('sms', ['acme.link', 'acme.voice', 'absent.sms']), [])
  t.strictSame(names('sna', ['plain.sna'], true), [])
})

t.test('the channel of the attempt that is pending, or was started last', async t => {
  const workflow = [
    step('plain.sna'), step(
      'many.otp', { options: { channels: ['VOICE_CALL'] } },
    ), step('acme.sms'), step('absent.code'),
  ]
  const channel = (...statuses: ('failed' | 'skipped')[]) => channelOf({
    workflow, attempts: statuses.map((status, index) =>
      ({ status, method: workflow[index]?.method ?? '', reason: null, startedAt: 0, endedAt: 0 })),
  }, methods)
  t.equal(channel('failed'), 'sna')
  t.equal(channel('failed', 'failed'), 'call')
  t.equal(channel('failed', 'failed', 'skipped'), 'call')
  t.equal(channel('failed', 'failed', 'failed'), 'sms')
  t.equal(channel('failed', 'failed', 'failed', 'failed'), 'sms')
})
