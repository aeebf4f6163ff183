import { randomBytes } from 'node:crypto'
import t from 'tap'
import { tagsOf } from '../../scripts/tag.ts'
import { simulators as every } from '../../src/sandbox/simulators.ts'
import { startGateway, withWebhook } from '../helpers/gateway.ts'
import { readLine } from '../helpers/process.ts'
import { until } from '../helpers/redis.ts'
import { startReceiver } from '../sandbox/receiver.ts'
import { act, numberEnding, openDeepLink } from './end-user.ts'

t.test('what happened to a verification, and to a number, can be found in the log', async t => {
  const { url } = await startReceiver(t)
  const { shop, simulators, logs, environment } = await startGateway(t, { apps: withWebhook(url) })
  const [phoneNumber, discovered] = [numberEnding('02'), numberEnding('04')]
  const { body: { id } } = await shop.create({ phoneNumber, workflow: ['truecaller.push'] })
  await shop.waitFor(id)
  const web = await shop.create({ workflow: ['truecaller.web'] })
  await openDeepLink(simulators, web.body.nextAction.url, discovered)
  await shop.waitFor(web.body.id)
  await until(() => logs.filter(line => line.includes('"msg":"webhook"')).length === 2, 'both webhooks were tried')

  const lines = logs.map(readLine)
  const said = (msg: string, verificationId = id) =>
    lines.filter(line => line['msg'] === msg && line['verificationId'] === verificationId)
  const [numberTag = ''] = tagsOf(phoneNumber, environment)
  t.match(numberTag, /^[\w-]{22}$/)
  const created = (verificationId = id) => said('request', verificationId).flatMap(line => line['created'] ?? [])
  t.strictSame(created(), [{ app: 'shop', numberTag, method: 'truecaller.push' }])
  t.match(said('verification ended'), [{ app: 'shop', numberTag, status: 'verified', method: 'truecaller.push' }])
  t.match(
    said('provider call'), [{ call: 'start', provider: 'truecaller', result: 'ok' }, { call: 'resolve', result: 'ok' }],
  )
  const callbacks = said('request').flatMap(line => line['callback'] ?? [])
  t.strictSame(callbacks, [{ provider: 'truecaller', result: 'accepted' }])
  t.match(said('webhook'), [{ type: 'verification.verified', deliveryId: /^whd_/, status: 'delivered' }])
  t.match(said('request').map(({ route }) => route).slice(0, 2), ['/verifications', '/verifications/:id'])

  t.match(created(web.body.id), [{ numberTag: null }], 'not known yet')
  t.match(said('verification ended', web.body.id), [{ numberTag: tagsOf(discovered, environment)[0] }], 'discovered')
  t.notMatch(logs.join(''), new RegExp(`${phoneNumber.slice(2)}|${discovered.slice(2)}`))
})

t.test('the same for each other provider, and never with a number, a code or a secret', async t => {
  const { shop, simulators, logs, environment } = await startGateway(t, {
    simulatorOptions: { simulators: every, handsetDelayMs: 10 },
  })
  const returnUrl = 'https://shop.example/verified'
  const flows: [method: string, request?: object][] = [
    ['camara.number_verification', { returnUrl }], ['camara.sms'], ['twilio.sms'], ['twilio.sna'],
    ['vonage.silent_auth', { returnUrl }], ['vonage.sms'], ['telegram.code'], ['firebase.pnv'], ['acme.sms'],
  ]
  const secrets = Object.entries(environment).filter(([name]) =>
    /(SECRET|TOKEN|API_KEY|PRIVATE_KEY|CLIENT_ID|PROJECT_NUMBER)$/.test(name)).map(([, value]) => value)
  t.ok(secrets.length > 8)
  const reporting = ['telegram', 'acme']
  await Promise.all(flows.map(async ([method, request = {}]) => {
    const phoneNumber = numberEnding('02')
    const { body } = await shop.create({ phoneNumber, workflow: [method], ...request })
    const brought: string[] = []
    await act(shop, simulators, body, phoneNumber, { bring: evidence => { brought.push(evidence) } })
    const [provider = ''] = method.split('.')
    const lines = () => logs.map(readLine)
    const said = (msg: string) => lines().filter(line => line['msg'] === msg && line['verificationId'] === body['id'])
    t.hasStrict(await shop.waitFor(body['id']), { status: 'verified' }, method)
    const [numberTag = ''] = tagsOf(phoneNumber, environment)
    t.match(said('verification ended'), [{ app: 'shop', numberTag, status: 'verified', method }], method)
    const calls = said('provider call').map(({ call, result }) => `${call} ${result}`)
    const made = { 'firebase.pnv': ['resolve ok'], 'acme.sms': ['start ok'] }
    t.strictSame(
      calls, Object.entries(made).find(([name]) => name === method)?.[1] ?? ['start ok', 'resolve ok'], method,
    )
    if (reporting.includes(provider)) {
      const callbacks = () => said('request').flatMap(line => line['callback'] ?? [])
      await until(() => callbacks().length > 0, `a callback of ${provider} is logged`)
      t.match(callbacks()[0], { provider, result: /accepted|late/ })
    }
    const text = logs.join('')
    t.notMatch(text, phoneNumber.slice(2), method)
    for (const evidence of brought) {
      const isSeen = /^\d+$/.test(evidence) ? text.includes(`"${evidence}"`) : text.includes(evidence)
      t.notOk(isSeen, `the evidence of ${method}`)
    }
  }))
  t.strictSame(secrets.filter(secret => logs.join('').includes(secret)), [])
})

t.test('a tag needs a number and the keys, and knows older keys', async t => {
  const key = (id: string): string => `${id}:${randomBytes(32).toString('base64')}`
  const [old, young] = [key('old'), key('young')]
  const number = numberEnding('02')
  const [oldTag] = tagsOf(number, { SEAL_KEYS: old })
  const tags = tagsOf(number, { SEAL_KEYS: `${young},${old}` })
  t.equal(tags.length, 2)
  t.equal(tags[1], oldTag)
  t.same(tagsOf(number, { SEAL_KEYS: young }), tags.slice(0, 1))
  t.throws(() => tagsOf(number, {}), /SEAL_KEYS is required/)
  t.throws(() => tagsOf(number.slice(1), { SEAL_KEYS: old }), /E\.164/)
  t.equal(tagsOf(number, { SANDBOX: 'true' }).length, 1)
  const address = tagsOf('203.0.113.7', { SEAL_KEYS: old })
  t.strictSame(tagsOf('::ffff:203.0.113.7', { SEAL_KEYS: old }), address, 'an address in another spelling')
  t.strictSame(tagsOf('2001:db8::1', { SEAL_KEYS: old }), tagsOf('2001:db8::2', { SEAL_KEYS: old }), 'a network')
  t.notSame(tagsOf('203.0.113.8', { SEAL_KEYS: old }), address)
})

t.test('what the operator should know about the configuration is a warning at the start', async t => {
  const { logs } = await startGateway(t, { environment: { PUBLIC_URL: 'http://verify.example' } })
  const warnings = logs.map(line => JSON.parse(line)).filter(({ level }) => level === 40).map(({ msg }) => msg)
  t.ok(warnings.some(msg => msg.startsWith('PUBLIC_URL is http')), 'http')
  t.ok(warnings.some(msg => msg.startsWith('ALLOW_INSECURE_PROVIDERS is true')), 'insecure providers')
})
