import t from 'tap'
import { openEvents } from '../helpers/events.ts'
import { clientOf, startGateway } from '../helpers/gateway.ts'
import { tagsOf } from '../../scripts/tag.ts'
import { numberEnding } from './end-user.ts'

t.test('a client secret cannot find out whether a number has an account, in whatever way it reads', async t => {
  const { shop, url } = await startGateway(t)
  /** Everything that a front end can read of a verification that has ended. */
  async function read (suffix: string) {
    const request = { phoneNumber: numberEnding(suffix), workflow: ['truecaller.push'], reference: 'order-1' }
    const { body: { id, clientSecret } } = await shop.create(request)
    const full = await shop.waitFor(id)
    const browser = clientOf(url, clientSecret)
    const path = `/verifications/${id}`
    const stream = await openEvents(t, `${url}${path}/events?clientSecret=${clientSecret}`)
    await stream.ended
    const bodies = [
      (await browser.call('GET', path)).body, (await browser.call('GET', `${path}?wait=1`)).body,
      (await browser.call('POST', `${path}/check`, {})).body, stream.events.at(-1)?.data ?? {},
    ]
    t.notMatch(stream.text(), /order-1|number_not_registered/)
    t.notMatch(JSON.stringify(bodies), /order-1|number_not_registered/)
    const shown = bodies.map(({ status, reason, reference, attempts }) => {
      const ended = attempts.map((attempt: Record<string, unknown>) => [attempt['status'], attempt['reason']])
      return { status, reason, reference, attempts: ended }
    })
    return { full, shown }
  }
  const [unknown, outage] = [await read('91'), await read('96')]
  t.match(unknown.full, { reason: 'number_not_registered', reference: 'order-1' }, 'the app sees it')
  t.match(outage.full, { reason: 'provider_unavailable' })
  t.strictSame(unknown.shown, outage.shown)
  const expected = {
    status: 'failed', reason: 'provider_unavailable', reference: null, attempts: [['failed', 'provider_error']],
  }
  t.strictSame(unknown.shown, Array.from({ length: 4 }, () => expected))
})

t.test('audit lines name the API key, and the address by a tag', async t => {
  const { shop, url, logs, environment } = await startGateway(t)
  const { body: { id } } = await shop.create({ phoneNumber: numberEnding('02'), workflow: ['otpless.otp'] })
  await shop.call('DELETE', `/verifications/${id}`)
  await clientOf(url, 'vgk_unknown').call('GET', '/providers')
  const lines = logs.map(line => JSON.parse(line)).filter(({ msg }) => msg === 'audit')
  const [addressTag] = tagsOf('127.0.0.1', environment)
  t.match(lines, [
    { action: 'verification_erased', app: 'shop', keyId: /^[\w-]{1,64}$/, addressTag, verificationId: id },
    { cause: 'unauthenticated', app: null, keyId: null, addressTag, route: '/providers' },
  ])
  t.notMatch(logs.join(''), /127\.0\.0\.1"|vgk_/)
})
