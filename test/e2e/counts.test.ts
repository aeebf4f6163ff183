import t, { type Test } from 'tap'
import type { CallCounts } from '../helpers/count-calls.ts'
import { clientOf, keys, testEnvironment, withWebhook } from '../helpers/gateway.ts'
import { startListening, type GatewayProcess } from '../helpers/process.ts'
import { startRedis, until, watchCommands } from '../helpers/redis.ts'
import { startReceiver } from '../sandbox/receiver.ts'

const preload = new URL('../helpers/count-calls.ts', import.meta.url)
const [warmup, lifecycles, inFlight] = [20, 60, 20]

/**
 * What one lifecycle of `truecaller.push` may cost at most: create with Idempotency-Key and reference, push, callback,
 * profile, webhook, read. Unlike times, these counts are the same on every machine; they include what the process does
 * besides. `seals`: three changes after the create, and the delivery of the webhook before and after its try.
 * `commands`: 35, `hashes`: 25, and a few more where two changes of one record meet, as they do on a busy machine.
 */
const limits = { hashes: 26, seals: 6, opens: 2, timers: 8, commands: 36, logLines: 7, logBytes: 1_850 }

/** What the process has counted so far. */
async function readCounts ({ complaints, signal }: GatewayProcess): Promise<CallCounts> {
  const from = complaints.length
  signal('SIGCONT')
  const lines = () => complaints.slice(from).filter(line => line.startsWith('{"hashes"'))
  await until(() => lines().length > 0, 'the process writes its counts')
  return JSON.parse(lines()[0] ?? '')
}

/**
 * Counts the commands that Redis runs on the gateway's keys from now on, also inside scripts. Without those of every
 * second, however many lifecycles there are: the sweeper reads due times, approximate counters are synced, and a table
 * says whether the webhook endpoint is disabled.
 */
async function watchOwnCommands (t: Test, port: number): Promise<() => number> {
  const inTheBackground = ['zrange', 'zrangebyscore', 'hgetall', 'hincrby', 'incrby', 'pexpireat']
  let count = 0
  await watchCommands(t, port, args => {
    const [name = '', first = '', , key = ''] = args
    const isOwn = [first, key].some(each => each.startsWith('vg:'))
    const isPeriodic = inTheBackground.includes(name.toLowerCase()) || key.endsWith('}due')
      || (/^get$/i.test(name) && first.includes('}t'))
    if (isOwn && !isPeriodic) count += 1
  })
  return () => count
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
  const countCommands = await watchOwnCommands(t, server.port)
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
    const written = (text: string): number => gateway.logs.filter(line => line.includes(text)).length
    await until(() => written('"msg":"webhook"') === begun, 'every webhook is recorded')
    await until(() => written('"method":"GET","route":"/verifications/:id"') === begun, 'every read is logged')
  }

  // The first ones load the scripts and open the connections.
  await runMany(warmup)
  const [before, commandsBefore, from] = [await readCounts(gateway), countCommands(), gateway.logs.length]
  await runMany(lifecycles)
  const [after, commandsAfter, lines] = [
    await readCounts(gateway), countCommands(), gateway.logs.slice(from),
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
