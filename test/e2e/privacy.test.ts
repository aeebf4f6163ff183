import { Redis } from 'ioredis'
import t from 'tap'
import { request } from 'undici'
import { provenDigits, scenarios } from '../../src/sandbox/scenarios.ts'
import { simulators as every } from '../../src/sandbox/simulators.ts'
import { clientOf, keys, startGateway, type Answer, type TestGateway } from '../helpers/gateway.ts'
import { startRedis, watchCommands } from '../helpers/redis.ts'
import { dump } from '../helpers/scan.ts'
import { startReceiver } from '../sandbox/receiver.ts'
import { act, codeFor, post } from './end-user.ts'

const methods: [method: string, options?: Record<string, unknown>][] = [
  ['truecaller.push'], ['truecaller.web'], ['truid.phone_check', { version: 'v0.2', signals: ['simChange'] }],
  ['truid.phone_check', { version: 'v0.1' }], ['otpless.token'], ['otpless.otp'],
  ['truecaller.oauth'], ['truecaller.payload'], ['truid.subscriber_check'],
  ['otpless.otp_link'], ['otpless.oauth'], ['otpless.sna'],
  ['twilio.sms'], ['twilio.sna'], ['telegram.code'], ['firebase.pnv'], ['camara.number_verification'], ['camara.sms'],
  ['vonage.silent_auth'], ['vonage.sms'], ['acme.sms'],
]
const areas = ['415', '212', '312']
/** Their browser comes back, and the front end brings the code. */
const returning = ['otpless.otp_link', 'otpless.oauth', 'camara.number_verification']
/** What the simulators' profiles say, in spellings that chance does not produce. */
const personal = [
  'ada@example.com', 'ada_example', '"Ada"', 'Ada Example', '"Example"', 'Exampleville', 'Example Street',
  'Example Ltd', 'Just an example',
  '105056625245', '655574719', '13627101294235520',
  'example.com/avatars', 'DEVICE_ID', '192.0.2.146',
]
/** What the app itself entrusts to us. */
const entrusted = {
  reference: 'reference-of-order-8842', plan: 'metadata-of-the-user',
  returnUrl: 'https://shop.example/verified?session=of-the-user',
  ip: '203.0.113.77', userAgent: 'AgentOfTheUser/1.0',
}

/** Every way in which a number could be written, with or without its calling code. */
function spellings (phoneNumber: string): string[] {
  const digits = phoneNumber.replace('+', '')
  const [area, office, line] = [digits.slice(1, 4), digits.slice(4, 7), digits.slice(7)]
  const encoded = ['', ' ', '  '].map(lead => Buffer.from(`${lead}${digits}`).toString('base64').slice(4, -4))
  return [
    `${area}${office}${line}`, `${area} ${office} ${line}`, `${area}-${office}-${line}`, `${area}) ${office}-${line}`,
    Buffer.from(digits).toString('hex'), Number(digits).toString(16), ...encoded,
  ]
}

/** The secrets that a text shows. A code of six digits counts only where no other digit stands beside it. */
const findIn = (text: string, secrets: Iterable<string>): string[] =>
  [...secrets].filter(
    secret => /^\d{4,6}$/.test(secret) ? new RegExp(`(?<!\\d)${secret}(?!\\d)`).test(text) : text.includes(secret),
  )

t.test('neither Redis nor the logs show who was verified, or how', async t => {
  const { url: redisUrl } = await startRedis(t)
  const redis = new Redis(redisUrl)
  t.teardown(() => redis.disconnect())
  const commands: string[] = []
  await watchCommands(t, Number(new URL(redisUrl).port), args => { commands.push(args.join(' ')) })

  const secrets = new Set<string>(
    [...Object.values(keys), ...personal, ...Object.values(entrusted), 'access_token', 'Bearer '],
  )
  const forwarded: Promise<unknown>[] = []
  // Truecaller's callbacks come by here, so that their tokens are known.
  const receiver = await startReceiver(t, ({ path, text, body }) => {
    if (typeof body['accessToken'] === 'string') secrets.add(body['accessToken'])
    forwarded.push(post(`${gateway.url}${path}`, text))
    return 200
  })
  const gateway = await startGateway(t, { redisUrl, simulatorOptions: {
    gatewayUrl: receiver.url, slowMs: 300, simulators: every,
  } })
  for (const [name, value] of Object.entries(gateway.environment)) {
    if (/SECRET|TOKEN|API_KEY|APP_KEY|PRIVATE_KEY|CLIENT_ID|PROJECT_NUMBER/.test(name)) secrets.add(value)
    if (name === 'SEAL_KEYS') secrets.add(value.slice(value.indexOf(':') + 1))
  }
  const bodies: string[] = []
  const numbers = await runAll(gateway, secrets, bodies)
  await Promise.all(forwarded)
  for (const number of numbers) {
    for (const spelling of spellings(number)) secrets.add(spelling)
    secrets.add(codeFor(number))
  }

  const stored = await dump(redis)
  // Random ids may contain any six digits.
  const ids = /"(?:requestId|verificationId|deliveryId|numberTag|traceId)":"[^"]*"/g
  const logged = gateway.logs.join('').replaceAll(ids, '')
  const metrics = await (await request(`${gateway.url}/metrics`)).body.text()
  t.ok(stored.count > methods.length * scenarios.length, `${stored.count} keys`)
  t.strictSame(
    [...stored.types].filter(type => ['string', 'zset', 'hash', 'stream'].includes(type)).length, 4,
    'records, due sets, BullMQ\'s hashes and streams',
  )
  t.ok(commands.length > 1000 && gateway.logs.length > 500, `${commands.length} commands, ${gateway.logs.length} lines`)
  for (const line of gateway.logs) if (typeof JSON.parse(line) !== 'object') t.fail('a line is one JSON object')
  t.strictSame(findIn(stored.text, secrets), [], 'nothing in Redis')
  t.strictSame(findIn(commands.join('\n'), secrets), [], 'nothing that was ever sent to Redis, or between its clients')
  t.strictSame(findIn(logged, secrets), [], 'nothing in the logs')
  t.strictSame(findIn(metrics, secrets), [], 'nothing in the metrics')
  const answered = bodies.map(body => body.replaceAll(ids, ''))
  t.strictSame(answered.filter(body => findIn(body, secrets).length > 0), [], 'nothing in an answer that is an error')

  const [number = ''] = numbers
  const leaks = [
    `{"phoneNumber":${number.slice(1)}}`, `tel:${number}`, `national ${number.slice(2)}`, `"code":"${codeFor(number)}"`,
    Buffer.from(`{"n":"${number}"}`).toString('base64'),
  ]
  for (const leak of leaks) t.not(findIn(leak, secrets).length, 0, 'a leak would be seen')
  await redis.hset('leak', 'data', JSON.stringify({ number }))
  t.not(findIn((await dump(redis)).text, secrets).length, 0)
})

/**
 * Every method with every suffix, in the ways that apps and strangers come. Adds what must stay secret, and the bodies
 * of errors;
 * returns the numbers.
 */
async function runAll (
  { shop, bank, url, simulators }: TestGateway, secrets: Set<string>, bodies: string[],
): Promise<string[]> {
  const { reference, plan, returnUrl, ip, userAgent } = entrusted
  const numbers: string[] = []
  const note = ({ status, body }: Answer): void => {
    if (status >= 400) bodies.push(JSON.stringify(body))
  }
  const runs = methods.flatMap(([method, options = {}], place) => scenarios.map(async ({ suffix }) => {
    const ending = suffix === 'odd' ? '71' : suffix === 'even' ? '72' : suffix
    const phoneNumber = `+1${areas[Math.floor(place / 10)]}${place % 10}55${(place + 3) % 10}0${ending}`
    numbers.push(phoneNumber, `+${provenDigits(phoneNumber, method.split('.')[0] ?? '')}`)
    const key = `idempotency-of-${method}-${place}-${suffix}`
    secrets.add(key)
    const { body } = await shop.create({
      phoneNumber, reference, metadata: { plan }, device: { ip, userAgent }, locale: 'en',
      workflow: [{ method, options, timeoutSeconds: 2 }],
      // Its end is a redirect, which this front end does not follow.
      ...suffix === '95' || returning.includes(method) ? { returnUrl } : {},
    }, { 'idempotency-key': key })
    secrets.add(body['clientSecret'])
    const { url: link } = body['nextAction'] ?? {}
    if (typeof link === 'string') secrets.add(link)
    const browser = clientOf(url, body['clientSecret'])
    const controller = new AbortController()
    const acting = act(
      browser, simulators, body, phoneNumber,
      { signal: controller.signal, bring: evidence => { secrets.add(evidence) } },
    )
    await browser.call('GET', `/verifications/${body['id']}?wait=1`)
    const end = await shop.waitFor(body['id'])
    controller.abort()
    await acting
    note(await browser.call('POST', `/verifications/${body['id']}/check`, { code: codeFor(phoneNumber) }))
    note(await bank.call('GET', `/verifications/${body['id']}`))
    for (const query of [
      new URLSearchParams({ phoneNumber }), new URLSearchParams({ reference }),
    ]) note(await shop.call('GET', `/verifications?${query}`))
    return end
  }))
  await Promise.all(runs)

  const number = numbers[0] ?? ''
  const strange = [
    shop.call(
      'GET', `/verifications?phoneNumber=${number}`,
    ), shop.call('GET', `/verifications/${number}`), shop.call('GET', `/${number}`),
    shop.call('POST', '/verifications', `{"phoneNumber":"${number}"`),
    shop.create({ phoneNumber: `${number}x` }), shop.create({ phoneNumber: Number(number) }),
    shop.create({ phoneNumber: number, [number]: 1 }),
    shop.create({ phoneNumber: number, workflow: [{ method: 'otpless.otp', options: { [number]: number } }] }),
    shop.create({ phoneNumber: number, returnUrl: `https://evil.example/${number}` }),
    shop.create(
      { phoneNumber: number, onConflict: number },
    ), clientOf(url, `Bearer${number}`).create({ phoneNumber: number }),
    shop.create({ phoneNumber: number, metadata: { [number]: 1 } }),
    shop.call('POST', '/verifications', { phoneNumber: number }, { 'content-type': `text/${number.slice(1)}` }),
    shop.call('PUT', `/verifications?${number}`),
    clientOf(url, null).call(
      'POST', `/callbacks/truecaller/${number.slice(1)}`, {
        requestId: number, accessToken: number, phoneNumber: number,
      },
    ),
    clientOf(url, null).call('POST', '/callbacks/truid', `{"check_id":"${number}`),
    clientOf(url, null).call('GET', `/callbacks/truid/${number.slice(1)}?code=${number.slice(1)}`),
  ]
  for (const answer of await Promise.all(strange)) note(answer)
  return numbers
}
