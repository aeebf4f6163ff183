import { setTimeout as delay } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { request } from 'undici'
import { until } from '../helpers/redis.ts'
import { codeOf, retryUntilAnswered, numberOf } from './oracle.ts'
import { startProxy } from './proxy.ts'
import { isLong, startDeployment } from './deployment.ts'

t.jobs = 3

const initiate = '/auth/v1/initiate/otp'
const verify = '/auth/v1/verify/otp'

/** An api and a worker process, and a proxy to OTPLESS that can drop responses. */
async function startBoth (t: Test) {
  const { shop, simulators, oracle, start, launch, ...processes } = await startDeployment(t)
  const wire = await startProxy(t, simulators.url)
  const wired = { OTPLESS_AUTH_URL: wire.url, OTPLESS_USER_AUTH_URL: wire.url }
  const apiEnvironment = { ...processes.api, ...wired }
  const [api] = await Promise.all([start(apiEnvironment), start({ ...processes.worker, ...wired })])
  const create = (n: number, method: string) =>
    shop.create(
      { phoneNumber: numberOf(n, '10'), workflow: [method], reference: `order-${n}` },
      { 'idempotency-key': `key-${n}` },
    )
  return {
    api, startAgain: () => launch(apiEnvironment), shop, simulators, wire, create, oracle,
    check: (id: string, n: number) =>
      shop.call('POST', `/verifications/${id}/check`, { code: codeOf(numberOf(n, '10')) }),
    /** The requests that the provider received for this number. */
    asked: (path: string, n: number) =>
      wire.passed.filter(({ path: seen, body }) => seen === path && body['phoneNumber'] === numberOf(n, '10')).length,
    /** Ids of the app's verifications with the `n`th reference. */
    find: async (n: number): Promise<string[]> => {
      const { body } = await shop.call('GET', `/verifications?reference=order-${n}`)
      return body['data'].map(({ id }: { id: string }) => id)
    },
  }
}

const numbers = (count: number): number[] => Array.from({ length: count }, (_, n) => n)

/** Opens the URL as a phone does on mobile data, and returns the code. */
async function walk (url: string): Promise<string> {
  let cookie = ''
  for (let hops = 0; hops < 10; hops += 1) {
    const answer = await request(url, { headers: { cookie } })
    const body = await answer.body.text()
    if (answer.statusCode === 200) return JSON.parse(body).code
    cookie = String(answer.headers['set-cookie'] ?? cookie).split(';')[0] ?? ''
    url = new URL(String(answer.headers.location), url).href
  }
  throw new Error('too many redirects')
}

t.test('killed between accepting a create and the provider\'s answer', { buffered: true }, async t => {
  const { api, startAgain, create, shop, asked, find, wire, simulators, oracle } = await startBoth(t)
  const count = 3
  const methodOf = (n: number): string => n < count ? 'otpless.otp' : 'truid.phone_check'
  wire.lose(initiate, count)
  simulators.fail({ provider: 'truid', answer: 'hang', path: '/phone_check/', times: count })
  const unheard = numbers(2 * count).map(n => create(n, methodOf(n)).then(({ status }) => status, () => null))
  const isHeard = ({ status }: { status: number | null }): boolean => status !== null
  const checks = (): number => simulators.requests.filter(({ path }) => path.startsWith('/phone_check/')).length
  await until(() => wire.passed.filter(isHeard).length === count && checks() === count, 'all starts are under way')
  await api.kill()
  t.same(new Set(await Promise.all(unheard)), new Set([null]), 'no caller got a response')
  startAgain()

  await Promise.all(numbers(2 * count).map(async n => {
    const { status, body } = await retryUntilAnswered(() => create(n, methodOf(n)))
    t.equal(status, 201)
    t.same(await find(n), [body['id']], 'one verification for one key')
    if (n < count) {
      // It is unknown whether the message was sent, so it is not sent again.
      oracle.accept(body['id'], 'failed/provider_unavailable')
      t.equal(asked(initiate, n), 1, 'no second message')
    } else {
      // The user did not see the lost check, so a new one replaces it.
      oracle.accept(body['id'], 'verified')
      const code = await walk(body['nextAction'].url)
      t.equal((await shop.call('POST', `/verifications/${body['id']}/check`, { code })).status, 200)
    }
  }))
  await oracle.judge('api SIGKILLed between create and the provider\'s answer')
})

if (isLong) t.test('killed at any moment around its answer', { buffered: true }, async t => {
  const { api, startAgain, create, check, asked, find, wire, oracle } = await startBoth(t)
  const count = 120
  wire.delayMs = 10
  const answered = new Map<number, string>()
  const first = (async () => {
    for (const n of numbers(count)) {
      void create(n, 'otpless.otp').then(
        ({ status, body }) => { if (status === 201) answered.set(n, body['id']) }, () => {},
      )
      await delay(2)
    }
  })()
  await until(() => answered.size >= count / 4, 'some are answered')
  await api.kill()
  await first
  startAgain()

  const figures = { answered: answered.size, goOn: 0, ended: 0 }
  const odd: string[] = []
  await Promise.all(numbers(count).map(async n => {
    const { status, body } = await retryUntilAnswered(() => create(n, 'otpless.otp'))
    const found = status === 201 ? await find(n) : []
    if (found.length !== 1 || found[0] !== body['id']) odd.push(
      `${n}: answered ${status}, ${found.length} verifications`,
    )
    if (answered.has(n) && answered.get(n) !== body['id']) odd.push(`${n}: not the one that was answered`)
    if (asked(initiate, n) > 1) odd.push(`${n}: ${asked(initiate, n)} messages`)
    oracle.accept(
      body['id'], ...(body['status'] === 'pending' ? ['verified'] as const : ['failed/provider_unavailable'] as const),
    )
    if (body['status'] !== 'pending') figures.ended += 1
    else {
      figures.goOn += 1
      await retryUntilAnswered(() => check(body['id'], n))
    }
  }))
  t.same(odd, [], 'one verification and at most one message for one key, and the same as before')
  t.ok(figures.ended > 0, 'some were in flight when it was killed')
  t.comment(
    `${figures.answered} answered before the kill, ${figures.goOn} went on, `
      + `${figures.ended} had been started by the dead process`,
  )
  await oracle.judge('api SIGKILLed around its answers')
})

t.test('killed after the provider said yes to a code', { buffered: true }, async t => {
  const { api, startAgain, create, check, wire, oracle } = await startBoth(t)
  const count = 5
  const ids = await Promise.all(
    numbers(count).map(async (n): Promise<string> => (await create(n, 'otpless.otp')).body['id']),
  )
  for (const id of ids) oracle.accept(id, 'verified')
  wire.lose(verify, count)
  const unheard = ids.map((id, n) => check(id, n).then(({ status }) => status, () => null))
  const verifications = () => wire.passed.filter(({ path, status }) => path === verify && status !== null)
  await until(() => verifications().length === count, 'the provider has answered each')
  t.same(new Set(verifications().map(({ status }) => status)), new Set([200]), 'it said yes')
  await api.kill()
  t.same(new Set(await Promise.all(unheard)), new Set([null]), 'no caller got a response')
  startAgain()
  await oracle.judge('api SIGKILLed after the provider said yes')
  const statuses = verifications().slice(count).map(({ status }) => status)
  t.same(statuses, Array(count).fill(400), 'asked again; the provider answers "already verified"')
})
