import { Redis } from 'ioredis'
import t from 'tap'
import { startGateway, type Answer } from '../helpers/gateway.ts'
import { startRedis, until, watchCommands } from '../helpers/redis.ts'
import { signIn } from './end-user.ts'

/**
 * The sweeper reads due times all the time. Approximate counters are synced from time to time, and no request waits for
 * them.
 */
const inTheBackground = ['zrangebyscore', 'hgetall', 'hincrby', 'incrby', 'pexpireat']

t.test('what each request asks of Redis', async t => {
  const server = await startRedis(t)
  // The handset answers only when this test is over: only the current request talks to the store.
  const { shop, bank, simulators } = await startGateway(
    t, {
      redisUrl: server.url, simulatorOptions: { handsetDelayMs: 600_000 },
      // Webhooks of OTPLESS would ask at any time for the attempt that they are about.
      environment: { OTPLESS_WEBHOOK_SECRET: '' },
    },
  )
  const watcher = new Redis(server.url)
  t.teardown(() => watcher.disconnect())
  let commands: string[] = []
  await watchCommands(t, server.port, (args, source) => {
    const [name = '', , , key = ''] = args
    // The sweeper asks every second whether a record is due.
    if (key.endsWith('}due')) return
    // A script is sent whole the first time. What it does is inside its round trip; jobs have queues of their own.
    if (
      source !== 'lua' && !inTheBackground.includes(name.toLowerCase()) && args.some(arg => arg.startsWith('vg:'))
    ) commands.push(name.toLowerCase().replace(/^eval$/, 'evalsha'))
  })
  let marks = 0
  async function count<T> (work: () => Promise<T>): Promise<{ answer: T, asked: string[] }> {
    commands = []
    const answer = await work()
    const mark = `vg:mark ${marks += 1}`
    await watcher.echo(mark)
    await until(() => commands.includes('echo'), 'the monitor has caught up')
    return { answer, asked: commands.filter(name => name !== 'echo') }
  }

  const web = await count(
    () => shop.create({ workflow: ['truecaller.web'], reference: 'r' }, { 'idempotency-key': 'k' }),
  )
  t.equal(web.answer.status, 201)
  t.strictSame(web.asked, ['evalsha'], 'create without a provider call, all of it')
  const otp = await count(
    () => shop.create({ phoneNumber: '+14155550100', workflow: ['otpless.otp'] }, { 'idempotency-key': 'o' }),
  )
  t.equal(otp.answer.status, 201)
  t.strictSame(otp.asked, ['evalsha', 'evalsha'], 'create: one before the provider call, one after it')
  const { id } = otp.answer.body
  t.strictSame((await count(() => shop.call('GET', `/verifications/${id}`))).asked, ['get'], 'read')
  t.strictSame((await count(() => bank.call('GET', `/verifications/${id}`))).asked, [], 'another app')
  t.strictSame((await count(() => shop.call('GET', '/verifications/ver_made-up'))).asked, [], 'a made-up id')
  t.strictSame((await count(() => shop.call('GET', '/readyz'))).asked, ['evalsha'], 'readiness')
  t.strictSame(
    (
      await count(() => shop.call('POST', '/callbacks/truecaller', { requestId: 'x'.repeat(48), accessToken: 'a' }))
    ).asked,
    [], 'a forged callback',
  )
  for (
    const [path, message] of [
      ['truid', { check_id: 'c', status: 'COMPLETED' }], ['otpless', { eventType: 'DLR', data: {} }],
    ] as const
  ) {
    t.strictSame(
      (await count(() => shop.call('POST', `/callbacks/${path}/${'x'.repeat(48)}`, message))).asked, [],
      `one that ${path} did not sign`,
    )
  }
  t.strictSame(
    (await count(() => shop.call('POST', `/verifications/${id}/check`, { code: '000000' }))).asked,
    ['get', 'evalsha', 'evalsha'], 'check: read, evidence, outcome',
  )

  const [first, second] = [
    await shop.create({ workflow: ['otpless.token'] }), await shop.create({ workflow: ['otpless.token'] })
  ]
  const token = await signIn(simulators, { phoneNumber: '+14155550100' })
  const bring = (to: Answer) => count(() => shop.call('POST', `/verifications/${to.body.id}/check`, { token }))
  t.strictSame((await bring(first)).asked, ['get', 'evalsha', 'evalsha'], 'evidence that is good once: the same')
  t.strictSame((await bring(second)).asked, ['get', 'evalsha'], 'and where it was used before: read, refused')

  const push = await count(() => shop.create({ phoneNumber: '+14155550102', workflow: ['truecaller.web'] }))
  const nonce = new URL(push.answer.body.nextAction.url).searchParams.get('requestNonce')
  t.strictSame(
    (await count(() => shop.call('POST', '/callbacks/truecaller', { requestId: nonce, status: 'flow_invoked' }))).asked,
    ['get', 'evalsha'], 'a callback: one read, one write',
  )
})
