import { readFile, writeFile } from 'node:fs/promises'
import t from 'tap'
import type { App } from '../../src/apps/apps.ts'
import { clientOf, keys, type Answer } from '../helpers/gateway.ts'
import { freePort } from '../helpers/redis.ts'
import { codeOf, retryUntilAnswered, numberOf } from './oracle.ts'
import { startProxy } from './proxy.ts'
import { startDeployment } from './deployment.ts'


const initiate = '/auth/v1/initiate/otp'
/** What an app is allowed that sets nothing; only its own traffic is not limited here. */
const limits: App['limits'] = { requestsPerMinute: null, createsPerMinute: null, createsPerIpPerHour: 20 }
const perPrefix = 100

/** The `n`th number of one prefix to which messages are pumped; all that are verified in the sandbox. */
const pumped = (n: number): string =>
  `+1415700${String(Math.floor(n / 45) % 100).padStart(2, '0')}${String(2 * (n % 45)).padStart(2, '0')}`
/** One customer's, each of another prefix. */
const honest = (n: number): string => numberOf(100 * n, '10')

t.test('messages are pumped to one prefix from many addresses, and customers come as always', async t => {
  const { simulators, api, worker, start, shop, oracle } = await startDeployment(t)
  const wire = await startProxy(t, simulators.url)
  const file = api['APPS_FILE'] ?? ''
  const apps: App[] = JSON.parse(await readFile(file, 'utf8'))
  await writeFile(file, JSON.stringify(apps.map(app => app.id === 'shop' ? { ...app, limits } : app)))
  const port = String(await freePort())
  const wired = { OTPLESS_AUTH_URL: wire.url }
  await Promise.all(
    [start({ ...api, ...wired }), start({ ...api, ...wired, PORT: port }), start({ ...worker, ...wired })],
  )
  const shops = [shop, clientOf(`http://127.0.0.1:${port}`, keys.shop)]
  const create = (n: number, phoneNumber: string, ip: string, timeoutSeconds: number): Promise<Answer> =>
    retryUntilAnswered(() => (shops[n % 2] ?? shop).create(
      {
        phoneNumber, workflow: [{ method: 'otpless.otp', timeoutSeconds }], device: { ip },
      }, { 'idempotency-key': `${phoneNumber}-${n}` },
    ))

  const [pumps, customers] = [5_000, 300]
  const seen = { pumped: new Map<number, number>(), honest: new Map<number, number>() }
  let next = 0
  const everyNth = pumps / customers
  const pump = async (): Promise<void> => {
    for (let n = next++; n < pumps; n = next++) {
      const { status, body } = await create(n, pumped(n), `198.18.${Math.floor(n / 250) % 8}.${n % 250}`, 3)
      seen.pumped.set(status, (seen.pumped.get(status) ?? 0) + 1)
      if (status === 201) oracle.accept(body['id'], 'expired/attempt_timeout', 'failed/provider_unavailable')
      if (n % everyNth >= 1) continue
      const phoneNumber = honest(Math.floor(n / everyNth))
      const customer = await create(n, phoneNumber, `203.0.113.${n % 250}`, 60)
      seen.honest.set(customer.status, (seen.honest.get(customer.status) ?? 0) + 1)
      if (customer.status !== 201) continue
      oracle.accept(customer.body['id'], 'verified')
      await retryUntilAnswered(
        () => shop.call('POST', `/verifications/${customer.body['id']}/check`, { code: codeOf(phoneNumber) }),
      )
    }
  }
  await Promise.all(Array.from({ length: 10 }, pump))

  const messages = wire.passed.filter(
    ({ path, body }) => path === initiate && String(body['phoneNumber']).startsWith('+1415700'),
  ).length
  t.equal(seen.pumped.get(201), perPrefix, 'as many as are allowed')
  t.same([...seen.pumped.keys()].toSorted(), [201, 429], 'all others are rejected with 429')
  t.equal(messages, perPrefix, 'and no message more was paid for')
  t.ok((seen.honest.get(201) ?? 0) >= 0.99 * customers, `${seen.honest.get(201)} of ${customers} customers`)
  await oracle.judge(
    `${pumps} creates of one prefix from 2000 addresses: ${messages} messages, `
      + `${seen.honest.get(201)} of ${customers} customers served`,
  )
})
