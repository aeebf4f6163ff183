import { Redis } from 'ioredis'
import t from 'tap'
import type { CallCounts } from '../helpers/count-calls.ts'
import { clientOf, keys, testEnvironment, withWebhook } from '../helpers/gateway.ts'
import { startListening, type GatewayProcess } from '../helpers/process.ts'
import { startRedis, until } from '../helpers/redis.ts'
import { startReceiver } from '../sandbox/receiver.ts'

const preload = new URL('../helpers/count-calls.ts', import.meta.url)
const [warmup, lifecycles, inFlight] = [20, 60, 20]

/**
 * What one lifecycle of `truecaller.push` may cost at most: create with Idempotency-Key and reference, push, callback,
 * profile, webhook, read. Unlike times, these counts are the same on every machine; they include what the process does
 * besides. `seals`: three changes after the create, and the delivery of the webhook before and after its try.
 */
const limits = { hashes: 25, seals: 6, opens: 2, timers: 8, commands: 40, logLines: 7, logBytes: 1_850 }

/** What the process has counted so far. */
async function readCounts ({ complaints, signal }: GatewayProcess): Promise<CallCounts> {
  const from = complaints.length
  signal('SIGCONT')
  const lines = () => complaints.slice(from).filter(line => line.startsWith('{"hashes"'))
  await until(() => lines().length > 0, 'the process writes its counts')
  return JSON.parse(lines()[0] ?? '')
}

/** The commands that Redis has run, also inside scripts, without those of this client. */
async function countCommands (redis: Redis): Promise<number> {
  const stats = await redis.info('commandstats')
  const counted = Array.from(stats.matchAll(/^cmdstat_(\S+):calls=(\d+)/gm), ([, name, calls]) => ({ name, calls }))
  return counted.filter(({ name }) => name !== 'info').reduce((sum, { calls }) => sum + Number(calls), 0)
}

t.test('what a lifecycle costs', async t => {
  const receiver = await startReceiver(t)
  const server = await startRedis(t)
  // The app has the limits of an app that sets none.
  const apps = withWebhook(receiver.url).map(({ limits: _limits, ...app }) => ({
    ...app, limits: { createsPerMinute: null, requestsPerMinute: null, createsPerPrefixPerHour: 1_000 },
  }))
  const { environment, url } = await testEnvironment(t, {
    redisUrl: server.url, apps, simulatorOptions: { handsetDelayMs: 500 },
    environment: { NODE_OPTIONS: `--no-warnings --import ${preload.href}` },
  })
  const gateway = await startListening(t, environment)
  const redis = new Redis(server.url)
  t.teardown(() => redis.disconnect())
  const shop = clientOf(url, keys.shop)
  let begun = 0

  async function runLifecycle (): Promise<void> {
    begun += 1
    const name = String(begun).padStart(4, '0')
    const created = await shop.create(
      { phoneNumber: `+14155${name}10`, workflow: ['truecaller.push'], reference: name }, { 'idempotency-key': name },
    )
    const { id } = created.body
    await until(
      () => receiver.received.some(({ text }) => text.includes(id) && text.includes('"verification.verified"')),
      `the webhook has arrived: ${created.status}`,
    )
    t.match(await shop.call('GET', `/verifications/${id}`), { status: 200, body: { status: 'verified' } })
  }

  async function runMany (count: number): Promise<void> {
    const end = begun + count
    await Promise.all(Array.from({ length: inFlight }, async () => { while (begun < end) await runLifecycle() }))
    const delivered = () => gateway.logs.filter(line => line.includes('"msg":"webhook"')).length
    await until(() => delivered() === begun, 'every webhook is recorded')
  }

  // The first ones load the scripts and open the connections.
  await runMany(warmup)
  const [before, commandsBefore, from] = [await readCounts(gateway), await countCommands(redis), gateway.logs.length]
  await runMany(lifecycles)
  const [after, commandsAfter, lines] = [
    await readCounts(gateway), await countCommands(redis), gateway.logs.slice(from),
  ]
  const each: Record<keyof typeof limits, number> = {
    hashes: after.hashes - before.hashes, seals: after.seals - before.seals, opens: after.opens - before.opens,
    timers: after.timers - before.timers, commands: commandsAfter - commandsBefore,
    logLines: lines.length, logBytes: Buffer.byteLength(lines.join('\n')) + 1,
  }
  for (const [name, limit] of Object.entries(limits)) {
    const counted = each[name as keyof typeof limits] / lifecycles
    t.ok(counted <= limit, `${name}: ${counted.toFixed(2)} of at most ${limit}`)
  }
})
