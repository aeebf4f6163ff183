import { createCipheriv, randomBytes } from 'node:crypto'
import { Redis } from 'ioredis'
import t, { type Test } from 'tap'
import { readRecord } from '../../src/verifications/record-codec.ts'
import { createSealer } from '../../src/store/sealing.ts'
import { createIds, partitionOf } from '../../src/store/ids.ts'
import { clientOf, startGateway, withWebhook, type TestGateway } from '../helpers/gateway.ts'
import { startRedis, until } from '../helpers/redis.ts'
import { dump } from '../helpers/scan.ts'
import { ask, startReceiver } from '../sandbox/receiver.ts'
import { act, codeFor, openDeepLink } from './end-user.ts'
import { at, deliveriesBefore, recordsBefore, sealKeys, type RecordBefore } from './records-before.ts'
import type { Json } from '../../src/core/vocabulary.ts'

t.setTimeout(60_000)

const sealer = createSealer(sealKeys)
/** As the version before sealed: JSON, in the first format. */
function seal (record: Json, id: string): Buffer {
  const [key] = sealer.subkeys('seal')
  const nonce = randomBytes(12)
  const cipher = createCipheriv('aes-256-gcm', key!, nonce).setAAD(Buffer.from(id))
  const body = cipher.update(JSON.stringify(record), 'utf8')
  cipher.final()
  return Buffer.concat([Buffer.from('\x01\x02k1'), nonce, body, cipher.getAuthTag()])
}
const place = (partition: number): string => `vg:{q${partition.toString(16)}}`

/** Writes what the version before wrote, with the keys that it used. */
async function write (
  redis: Redis, { record, dueAt, expiresAt, claims = [], lists = [] }: RecordBefore,
): Promise<void> {
  const home = partitionOf(record.id, 16) ?? 0
  await redis.set(`${place(home)}:r:${record.id}`, seal(record, record.id), 'PXAT', expiresAt)
  if (dueAt !== null) await redis.zadd(`${place(home)}:due`, dueAt, record.id)
  for (
    const { name, value, expiresAt: until, partition = home } of claims
  ) await redis.set(`${place(partition)}:c:${name}`, value, 'PXAT', until)
  for (const { name, score } of lists) await redis.zadd(`${place(home)}:i:${name}`, score, record.id)
}

/** Everything that is kept now, opened. */
async function readAll (redis: Redis): Promise<{ [name: string]: Json }[]> {
  const keys = (await redis.keys('vg:*')).filter(key => key.includes(':r:'))
  const opened = await Promise.all(keys.map(async key => {
    const sealed = await redis.getBuffer(key)
    const id = key.slice(key.indexOf(':r:') + 3)
    const opened = sealed === null ? null : sealer.open(sealed, id)
    return Array.isArray(opened) ? readRecord(opened, id) : opened
  }))
  return opened.flatMap(
    record => record === null || typeof record !== 'object' || Array.isArray(record) ? [] : [record],
  )
}

/** A gateway of this version. */
async function start (t: Test) {
  const { url: redisUrl } = await startRedis(t)
  const redis = new Redis(redisUrl)
  t.teardown(() => redis.disconnect())
  const receiver = await startReceiver(t)
  let passed = 0
  const gateway = await startGateway(t, {
    redisUrl, apps: withWebhook(receiver.url), environment: { SEAL_KEYS: sealKeys }, now: () => at + passed,
  })
  return { ...gateway, redis, receiver, pass: (ms: number) => { passed += ms } }
}

/** A message was sent to these numbers. */
async function sendCodes (
  { simulators: { url, settings } }: TestGateway, numbers: string[],
): Promise<(phoneNumber: string) => string> {
  const headers = {
    clientId: settings['OTPLESS_CLIENT_ID'] ?? '', clientSecret: settings['OTPLESS_CLIENT_SECRET'] ?? '',
    'content-type': 'application/json',
  }
  const sent = new Map(await Promise.all(numbers.map(async phoneNumber => {
    const { json } = await ask(`${url}/auth/v1/initiate/otp`, 'POST', headers, { phoneNumber, channels: ['SMS'] })
    return [phoneNumber, String(json['requestId'])] as const
  })))
  return phoneNumber => sent.get(phoneNumber) ?? ''
}

t.test('what the version before wrote is read, finished and erased', async t => {
  const gateway = await start(t)
  const { shop, bank, url, simulators, redis, receiver, pass } = gateway
  const before = recordsBefore(
    await sendCodes(gateway, ['+14155550102', '+14155550126', '+14155550130']), simulators.url,
  )
  for (
    const one of [...Object.values<RecordBefore>(before), ...Object.values<RecordBefore>(deliveriesBefore)]
  ) await write(redis, one)
  const read = async (name: keyof typeof before): Promise<Record<string, any>> => (
    await shop.call('GET', `/verifications/${before[name].record.id}`)
  ).body
  const finish = (name: keyof typeof before): Promise<Record<string, any>> => shop.waitFor(before[name].record.id)

  // Waiting: known by its key, its reference and its number; settled by its code.
  const { record: { id, phoneNumber, reference, metadata, device } } = before.waiting
  t.match(
    await read('waiting'),
    {
      status: 'pending', revision: 2, metadata: { plan: 'pro' },
      nextAction: { type: 'submitCode', attemptsRemaining: 5 },
    },
  )
  const again = await shop.create(
    { phoneNumber, workflow: ['otpless.otp', 'truid.phone_check'], reference, metadata, device },
    { 'idempotency-key': 'k-1' },
  )
  t.match(again, { status: 201, body: { id } }, 'the same Idempotency-Key is the same create')
  for (const query of [new URLSearchParams({ reference }), new URLSearchParams({ phoneNumber })]) {
    t.match((await shop.call('GET', `/verifications?${query}`)).body, { data: [{ id }] })
  }
  t.match(
    await shop.call('POST', `/verifications/${id}/check`, { code: '000000' }),
    { status: 422, body: { code: 'code_incorrect', attemptsRemaining: 4 } },
  )
  t.match(
    await shop.call('POST', `/verifications/${id}/check`, { code: codeFor(phoneNumber) }),
    { status: 200, body: { status: 'verified' } },
  )

  // Starting: the sweeper goes on with it.
  const owed = before.owed.record
  await shop.waitFor(owed.id, ({ nextAction }) => nextAction?.type === 'submitCode')
  const browser = clientOf(url, 'vcs_wu73WhvprcFHSD2TJW3HNAGwfL1BWhr0gJUVyBYenAXf_sn207c')
  t.match(
    await browser.call('POST', `/verifications/${owed.id}/check`, { code: codeFor(owed.phoneNumber) }),
    { status: 200, body: { status: 'verified' } }, 'by its client secret',
  )
  const begun = before.begun.record
  const second = await shop.waitFor(begun.id, ({ nextAction }) => nextAction?.type === 'openUrlOnCellular')
  t.match(second['attempts'], [{ reason: 'provider_timeout' }, { status: 'pending' }])
  await act(shop, simulators, second, begun.phoneNumber)
  t.match(await finish('begun'), { status: 'verified', result: { method: 'truid.phone_check' } })
  t.match(await finish('overtaken'), { status: 'failed', verified: false }, 'a token of nobody proves nothing')

  // Resolving.
  t.match(await finish('resolving'), { status: 'verified' })
  t.match(await finish('nudged'), { status: 'failed', verified: false })

  // A callback with a key of then.
  await openDeepLink(simulators, before.discovering.record.attempts[0]?.action.url ?? '', '+14155550140')
  t.match(await finish('discovering'), { status: 'verified', phoneNumber: '+14155550140' })

  // The clock, the app, and what is over.
  t.match(await finish('overdue'), { status: 'expired', reason: 'deadline' })
  t.match(
    await bank.call('POST', `/verifications/${before.ofTheBank.record.id}/cancel`),
    { status: 200, body: { status: 'canceled' } },
  )
  t.equal((await shop.call('GET', `/verifications/${before.ofTheBank.record.id}`)).status, 404)
  t.match(
    await shop.waitFor(before.withoutProfile.record.id, ({ profileStatus }) => profileStatus !== 'pending'),
    { status: 'verified', profileStatus: 'failed' },
  )
  t.match(
    await read('told'),
    {
      status: 'verified', profileStatus: 'ready',
      result: { profile: { name: { first: 'Ada' } }, signals: { line: 'mobile' } },
    },
  )
  t.match(await read('failed'), { status: 'failed', reason: 'provider_unavailable' })
  t.match(await read('expired'), { status: 'expired', reason: 'attempt_timeout' })
  t.match(await read('canceled'), { status: 'canceled', reason: 'app_canceled' })

  // Webhooks: each once, by the id of then.
  const told = (webhookId: string) => receiver.received.filter(({ headers }) => headers['webhook-id'] === webhookId)
  for (
    const { webhookId, body } of [
      deliveriesBefore.fresh.record, deliveriesBefore.tried.record, deliveriesBefore.trial.record,
    ]
  ) {
    await until(() => told(webhookId).length > 0, `${webhookId} is delivered`)
    t.match(told(webhookId), [{ text: body }])
  }
  await until(() => told('msg_2uVjLG0Ge5QHfuCBcgbjFAs6hLnj7A_4').length > 0, 'what was owed is told')
  for (const { id, webhookId } of [deliveriesBefore.delivered.record, deliveriesBefore.failed.record]) {
    t.same(told(webhookId), [], 'what was over is not sent again by itself')
    t.equal((await shop.call('POST', `/webhooks/deliveries/${id}/replay`)).status, 202)
    await until(() => told(webhookId).length > 0, `${webhookId} is replayed`)
  }
  await until(
    async () => (await shop.call('GET', '/webhooks/deliveries?status=pending')).body['data'].length === 0,
    'nothing is left to be told',
  )
  const listed = (
    await shop.call('GET', '/webhooks/deliveries?limit=100')
  ).body['data'].map((one: { id: string }) => one.id)
  for (const { record } of Object.values(deliveriesBefore)) t.ok(listed.includes(record.id), `${record.id} is listed`)

  // Erased at once, or after the retention.
  t.equal((await shop.call('DELETE', `/verifications/${id}`)).status, 204)
  t.equal((await shop.call('DELETE', `/verifications/${before.failed.record.id}`)).status, 204)
  pass(86_400_000)
  for (const { record } of Object.values(before)) t.equal(
    (await (record.appId === 'bank' ? bank : shop).call('GET', `/verifications/${record.id}`)).status, 410, record.id,
  )
  // Of what was over, Redis itself deletes the record, and its id leaves the lists with their next entry.
  const { told: one, expired, canceled } = before
  const erased = Object.values(before).map(({ record }) => record.id).filter(
    each => ![one, expired, canceled].some(({ record }) => record.id === each),
  )
  await until(
    async () => (await readAll(redis)).every(record => !erased.includes(String(record['id']))),
    'the sweeper erases the others', 20_000,
  )
  t.notOk((await dump(redis)).text.includes(before.failed.record.id), 'erased with its place in the list')
})

t.test('a claim that was left behind stands in nobody\'s way', async t => {
  const { shop, redis } = await start(t)
  const phoneNumber = '+14155550142'
  const otp = { phoneNumber, workflow: ['otpless.otp'] }
  for (const more of [{}, { onConflict: 'replace' }]) {
    const { body: { id } } = await shop.create({ ...otp, ...more })
    const claim = `${place(partitionOf(id, 16) ?? 0)}:c:${sealer.keyedHash('number', `shop ${phoneNumber}`)}`
    t.equal(await redis.get(claim), id)
    t.match(await shop.create(otp), { status: 409, body: { verificationId: id } }, 'the live one does')
    // The version before ends it, and knows the claim by another name.
    await shop.call('POST', `/verifications/${id}/cancel`)
    await redis.set(claim, id, 'PXAT', at + 600_000)
    t.match(await shop.create({ ...otp, ...more }), { status: 201 })
    await redis.del(claim)
  }
})

/**
 * Where one of today lacks what the version before reads, or has another kind of value there. Contents that are free
 * are not looked into.
 */
function lacks (before: unknown, today: unknown, path: string): string[] {
  if (before === null || today === null || before === undefined) return []
  if (Array.isArray(before)) return Array.isArray(today)
    ? before.slice(0, 1).flatMap(first => today.flatMap((one, n) => lacks(first, one, `${path}[${n}]`)))
    : [path]
  if (typeof before !== 'object') return typeof today === typeof before ? [] : [path]
  if (typeof today !== 'object') return [path]
  const has = new Map(Object.entries(today))
  return Object.entries(before).flatMap(([name, value]) => {
    const inside = `${path}.${name}`
    if (!has.has(name)) return [inside]
    return ['metadata', 'device', 'options', 'profile', 'signals'].includes(name)
      ? []
      : lacks(value, has.get(name), inside)
  })
}

t.test('what this version keeps has everything that the version before knew, though it cannot read it', async t => {
  const gateway = await start(t)
  const { shop, simulators, redis } = gateway
  const before = recordsBefore(() => 'of no message', simulators.url)
  const otp = { workflow: ['otpless.otp'] }
  const wait = async (phoneNumber: string) => (await shop.create({ phoneNumber, ...otp })).body
  const waiting = (await shop.create({ phoneNumber: '+14155550150', ...otp }, { 'idempotency-key': 'k-2' })).body
  const discovering = (await shop.create({ workflow: ['truecaller.web'] })).body
  const verified = await wait('+14155550152')
  await act(shop, simulators, verified, '+14155550152')
  const canceled = await wait('+14155550154')
  await shop.call('POST', `/verifications/${canceled['id']}/cancel`)
  const failed = await wait('+14155550196')
  const records = await readAll(redis)
  const find = (id: string) => records.find(record => record['id'] === id) ?? {}
  const same: [keyof typeof before, string][] = [
    ['waiting', waiting['id']], [
      'discovering', discovering['id'],
    ], ['verified', verified['id']], ['canceled', canceled['id']], ['failed', failed['id']],
  ]
  for (const [name, id] of same) t.strictSame(lacks(before[name].record, find(id), name), [], name)
  t.ok(
    lacks(before.waiting.record, { ...find(waiting['id']), workflow: undefined }, 'waiting').length > 0,
    'what is missing is seen',
  )

  const { body: { id: trial } } = await shop.call('POST', '/webhooks/test')
  await until(
    async () => (await shop.call('GET', '/webhooks/deliveries?status=delivered')).body['data'].length >= 4,
    'they are told',
  )
  const deliveries = (await readAll(redis)).filter(({ webhookId }) => webhookId !== undefined)
  t.ok(deliveries.some(({ id }) => id === trial))
  for (const one of deliveries) t.strictSame(
    lacks(
      one['verificationId'] === null ? deliveriesBefore.trial.record : deliveriesBefore.delivered.record, one,
      'delivery',
    ),
    [],
  )
  for (const record of await readAll(redis)) t.equal(record['format'], 1)
  t.ok(createIds(sealer, { partitions: 16, randomBytes: Buffer.alloc }).checkId(waiting['id'], 'shop'))
})
