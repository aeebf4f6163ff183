import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import t, { type Test } from 'tap'
import { acme } from '../../src/sandbox/acme/index.ts'
import { otpless } from '../../src/sandbox/otpless/index.ts'
import { startGateway, type Answer, type TestGateway } from '../helpers/gateway.ts'
import { until } from '../helpers/redis.ts'
import { dump } from '../helpers/scan.ts'
import { numberEnding } from './end-user.ts'

type Room = TestGateway & { file: string, entry: Record<string, unknown> }

/** A gateway whose providers file the test may change. */
async function open (t: Test): Promise<Room> {
  const folder = await mkdtemp(join(tmpdir(), 'verigate-providers-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const file = join(folder, 'providers.json')
  const text = await readFile(acme.settings('http://127.0.0.1')['PROVIDERS_FILE'] ?? '', 'utf8')
  await writeFile(file, text)
  const gateway = await startGateway(t, {
    environment: { PROVIDERS_FILE: file }, simulatorOptions: { simulators: [otpless, acme] },
  })
  return { ...gateway, file, entry: JSON.parse(text)[0] }
}

/** The texts that have reached the phone with this number. */
async function textsOf (
  { simulators: { url } }: TestGateway, phoneNumber: string,
): Promise<{ text: string, code: string }[]> {
  const answer = await fetch(`${url}/handset/items?phoneNumber=${encodeURIComponent(phoneNumber)}`)
  return (await answer.json() as { data: { text: string, code: string }[] }).data
}
const latest = async (
  gateway: TestGateway, phoneNumber: string, count = 1,
): Promise<{ text: string, code: string }> => {
  await until(async () => (await textsOf(gateway, phoneNumber)).length === count, 'the message arrives')
  return (await textsOf(gateway, phoneNumber)).at(-1) ?? { text: '', code: '' }
}
const methodsOf = ({ body }: Answer): string[] =>
  body['data'].flatMap(({ methods }: Answer['body']) => methods).map(({ method }: { method: string }) => method)

t.test('an HTTP service by configuration alone', async t => {
  const room = await open(t)
  await t.test('a code that the gateway made verifies', t => testCode(t, room))
  await t.test('the suffix of a number decides the outcome', t => testNumbers(t, room))
  await t.test('the file is read again', t => testReload(t, room))
})

async function testCode (t: Test, room: Room) {
  const { shop, environment } = room
  const phoneNumber = numberEnding('42')
  const created = await shop.create({
    phoneNumber, workflow: ['acme.sms'], locale: 'de-AT', returnUrl: 'https://shop.example/verified',
  })
  t.match(created.body, {
    nextAction: {
      type: 'submitCode', length: 6, channels: ['SMS'], attemptsRemaining: 5,
      autofill: { webOtp: '@shop.example #code' },
    },
  })
  const first = await latest(room, phoneNumber)
  t.match(first.text, /^\d{6} ist Ihr Code für Shop\.\n\n@shop\.example #\d{6}$/)
  const redis = new Redis(environment['REDIS_URL'] ?? '')
  t.teardown(() => redis.disconnect())
  t.notMatch((await dump(redis)).text, first.code, 'the code is not readable in Redis')

  const { id } = created.body
  await shop.waitFor(id, ({ attempts: [attempt] }) => attempt.delivery?.status === 'delivered')
  const wrong = await shop.call(
    'POST', `/verifications/${id}/check`, { code: first.code === '000000' ? '000001' : '000000' },
  )
  t.match(wrong, { status: 422, body: { code: 'code_incorrect', attemptsRemaining: 4 } })
  const right = await shop.call('POST', `/verifications/${id}/check`, { code: first.code })
  t.match(right.body, {
    status: 'verified',
    result: { phoneNumber, method: 'acme.sms', assurance: { level: 2, possession: 'message', restricted: true } },
  })
  t.notOk(
    room.logs.some(line => line.includes(first.code) || line.includes('sandbox-acme-token')), 'no log line has it',
  )
  const { body: { data } } = await shop.call('GET', '/providers')
  t.match(data.find(({ provider }: { provider: string }) => provider === 'acme'), {
    methods: [{ method: 'acme.sms', needsPhoneNumber: true, restricted: true }], health: { breaker: 'closed' },
  })
}

async function testNumbers (t: Test, room: Room) {
  const { shop } = room
  const reasonOf = async (ending: string) => {
    const { body } = await shop.create({ phoneNumber: numberEnding(ending), workflow: ['acme.sms'] })
    return body['attempts'][0].reason
  }
  t.equal(await reasonOf('91'), 'number_not_registered')
  t.equal(await reasonOf('98'), 'provider_bad_response')
  t.equal(await reasonOf('96'), 'provider_error')
  const never = numberEnding('01')
  const { body: { id } } = await shop.create({ phoneNumber: never, workflow: ['acme.sms'] })
  const { code } = await latest(room, never)
  t.match(await shop.call('POST', `/verifications/${id}/check`, { code }), { status: 422 })
}

async function testReload (t: Test, room: Room) {
  const { app, shop, file, entry, logs } = room
  const write = async (...entries: unknown[]): Promise<void> => {
    await writeFile(file, JSON.stringify(entries))
    app.reload()
  }
  const [number, other] = [numberEnding('44'), numberEnding('46')]
  const [{ body: live }, { body: second }] = [
    await shop.create({ phoneNumber: number, workflow: ['acme.sms'] }),
    await shop.create({ phoneNumber: other, workflow: ['acme.sms', 'otpless.otp'] }),
  ]
  const [{ code }, { code: secondCode }] = [await latest(room, number), await latest(room, other)]

  await write({ ...entry, name: 'north' })
  t.strictSame(methodsOf(await shop.call('GET', '/providers')).filter(name => name.endsWith('.sms')), ['north.sms'])
  t.match(await shop.create({ phoneNumber: numberEnding('48'), workflow: ['acme.sms'] }), {
    status: 422, body: { code: 'method_unavailable' },
  })
  t.match(await shop.create({ phoneNumber: numberEnding('48'), workflow: ['north.sms'] }), { status: 201 })
  t.match((await room.app.server.inject('/metrics')).body, 'verigate_attempts_total{method="north.sms"')
  t.match(await shop.call('POST', `/verifications/${live['id']}/check`, { code }), {
    status: 200, body: { status: 'verified' },
  }, 'what was sent before is still good')
  t.match(await shop.call('POST', `/verifications/${second['id']}/check`, { code: '1' }), { status: 422 })
  t.match(await shop.call('POST', `/verifications/${second['id']}/next`, {}), { status: 429 })

  await write({ ...entry, name: 'north', codeLength: 99 }, 7)
  t.match(logs.at(-2), 'PROVIDERS_FILE/0/codeLength must be a whole number from 4 to 10; PROVIDERS_FILE/1 must be')
  t.strictSame(methodsOf(await shop.call('GET', '/providers')).filter(name => name.endsWith('.sms')), ['north.sms'])
  await write({ ...entry, text: { default: '{code}' } })
  t.match(await shop.call('POST', `/verifications/${second['id']}/check`, { code: secondCode }), {
    status: 200, body: { status: 'verified' },
  })
  t.match(await room.app.server.inject('/metrics').then(({ body }) => body), 'verigate_apps_last_reload_successful 1')

  const appsFile = room.environment['APPS_FILE'] ?? ''
  const apps = JSON.parse(await readFile(appsFile, 'utf8'))
  await writeFile(appsFile, JSON.stringify([{ ...apps[0], workflow: ['otpless.otp', 'acme.sms'] }, apps[1]]))
  await write()
  t.match(logs.at(-2), 'PROVIDERS_FILE lacks what an app needs: APPS_FILE/0/workflow/1 is not available')
  t.match(await shop.create({ phoneNumber: numberEnding('52') }), {
    status: 201, body: { workflow: [{ method: 'otpless.otp' }, { method: 'acme.sms' }] },
  }, 'the apps were read, the providers stay')
}
