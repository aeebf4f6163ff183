import { setTimeout as delay } from 'node:timers/promises'
import t from 'tap'
import { clientOf, keys } from '../helpers/gateway.ts'
import type { GatewayProcess } from '../helpers/process.ts'
import { until } from '../helpers/redis.ts'
import { createFaultInjector } from './injected-faults.ts'
import { runLifecycle } from './lifecycle.ts'
import { numberOf } from './oracle.ts'
import { isLong, longOrShort, startDeployment } from './deployment.ts'

t.jobs = 2

const hourMs = 3_600_000
const isNear = (time: string, ms: number): boolean => Math.abs(Date.parse(time) - ms) < 60_000

for (const [name, clock] of [['ahead', hourMs], ['behind', -hourMs]] as const) {
  const title = `the clocks of an api and of the only worker jump by an hour: ${name}`
  if (isLong || name === 'ahead') t.test(title, { buffered: true }, async t => {
    const { shop, oracle, receiver, api, worker, start } = await startDeployment(t)
    const [intruder, another] = [await createFaultInjector(t), await createFaultInjector(t)]
    const [, wrong, sweeper] = await Promise.all([
      start(api), start({ ...api, PORT: '0', ...intruder.environment }), start({ ...worker, ...another.environment }),
    ])
    const odd = clientOf(await wrong.listening, keys.shop)
    const rest = { phoneNumber: numberOf(900, '02'), workflow: [{ method: 'otpless.otp', timeoutSeconds: 300 }] }
    const { body: before } = await shop.create(rest)

    const count = longOrShort(60, 12)
    const lives: Promise<void>[] = []
    for (let n = 0; n < count; n += 1) {
      // Not what a job retries: BullMQ's delays depend on the worker's clock.
      if (n % 5 !== 3) lives.push(runLifecycle(n, n % 2 === 0 ? shop : odd, oracle))
      if (n === count / 2) {
        await intruder.inject(wrong, { clock })
        await another.inject(sweeper, { clock })
      }
      await delay(30)
    }
    const isWrong = ({ logs }: GatewayProcess): boolean =>
      logs.some(line => Math.abs(Date.parse(/"time":"([^"]+)"/.exec(line)?.[1] ?? '') - Date.now() - clock) < 60_000)
    await until(() => isWrong(wrong) && isWrong(sweeper), 'the logs of both show the shifted clock')
    await Promise.all(lives)

    const { body: made } = await odd.create(
      { ...rest, phoneNumber: numberOf(901, '02') }, { 'idempotency-key': 'across' },
    )
    const now = Date.now()
    t.ok(
      isNear(made['createdAt'], now) && isNear(made['expiresAt'], now + 600_000),
      'the API shows the correct time',
    )
    t.ok(isNear(made['availableActions'][1].availableAt, now + 30_000), 'also for the next resend')
    t.equal(
      (await shop.create({ ...rest, phoneNumber: numberOf(901, '02') }, { 'idempotency-key': 'across' })).body['id'],
      made['id'],
    )
    // A deadline on the wrong clock would be late by an hour.
    await oracle.judge(`the clocks of an api and the worker an hour ${name}`)
    for (const { id } of [before, made]) t.match(
      (await odd.call('GET', `/verifications/${id}`)).body, { status: 'pending' }, 'no verification expires early',
    )
    for (const { headers } of receiver.received) t.ok(
      isNear(new Date(Number(headers['webhook-timestamp']) * 1_000).toISOString(), now), 'signed with the correct time',
    )
    t.match(
      await odd.call('POST', `/verifications/${made['id']}/check`, { code: numberOf(901, '02').slice(-6) }),
      { status: 200, body: { status: 'verified' } },
    )
  })
}
