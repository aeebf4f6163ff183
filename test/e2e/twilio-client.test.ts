import t from 'tap'
import twilio from 'twilio'
import { keys, startGateway } from '../helpers/gateway.ts'
import { numberEnding, walk } from './end-user.ts'

// The official Node client of Twilio (npm: twilio), with nothing but its base URL changed.

/** `sna` has no type in Twilio's document. */
const urlOf = (sna: unknown): string => (sna as { url: string }).url

t.test('the official client of Twilio', async t => {
  const gateway = await startGateway(t, { environment: { TWILIO_COMPAT: 'true' } })
  const open = (token: string) => {
    const client = twilio(`AC${'2e'.repeat(16)}`, token)
    client.verify.baseUrl = gateway.url
    return client.verify.v2.services(`VA${'1f'.repeat(16)}`)
  }
  const { verifications, verificationChecks } = open(keys.shop)

  await t.test('a code', async t => {
    const to = numberEnding('00')
    const created = await verifications.create({ to, channel: 'sms', locale: 'en', tags: '{"plan":"pro"}' })
    t.match(created, { status: 'pending', channel: 'sms', valid: false })
    t.ok(Math.abs(created.dateCreated.getTime() - Date.now()) < 60_000)
    t.match(await verificationChecks.create({ to, code: '111111' }), { status: 'pending', valid: false })
    t.match(await verificationChecks.create({ to, code: to.slice(-6) }), { status: 'approved', valid: true })
    t.match(await verifications(created.sid).fetch(), { sid: created.sid, status: 'approved' })
    await t.rejects(verificationChecks.create({ to, code: to.slice(-6) }), { status: 404, code: 20404 })
  })

  await t.test('a silent check, with and without a token', async t => {
    const [to, other] = [numberEnding('00'), numberEnding('00')]
    const { sna } = await verifications.create({ to, channel: 'sna' })
    await walk(urlOf(sna))
    t.match(await verificationChecks.create({ to }), { status: 'approved', channel: 'sna', valid: true })
    const bound = await verifications.create({ to: other, channel: 'sna', enableSnaClientToken: true })
    const arrival = await walk(urlOf(bound.sna))
    const snaClientToken = String(arrival?.body['code'])
    t.match(await verificationChecks.create({ verificationSid: bound.sid, snaClientToken }), { status: 'approved' })
  })

  await t.test('cancel and errors', async t => {
    const to = numberEnding('00')
    const { sid } = await verifications.create({ to, channel: 'sms' })
    t.match(await verifications(sid).update({ status: 'canceled' }), { sid, status: 'canceled' })
    await t.rejects(verifications.create({ to, channel: 'sms', customCode: '123456' }), { status: 403, code: 60204 })
    await t.rejects(verifications.create({ to: '12', channel: 'sms' }), { status: 400, code: 60200 })
    await t.rejects(verifications(`VE${'0'.repeat(32)}`).fetch(), { status: 404, code: 20404 })
    await t.rejects(open('vgk_unknown').verifications.create({ to, channel: 'sms' }), { status: 401, code: 20003 })
  })
})
