import { randomBytes } from 'node:crypto'
import t, { type Test } from 'tap'
import { act, post } from '../e2e/end-user.ts'
import { clientOf, keys, type Client } from '../helpers/gateway.ts'
import { freePort, until } from '../helpers/redis.ts'
import { longOrShort, startDeployment } from './deployment.ts'
import { numberOf, retryUntilAnswered, type End } from './oracle.ts'

// Every call about some users, or about the numbers of one carrier, fails, and strangers send garbage. Other users must
// not notice.

t.jobs = 3

/** The gateway retries for a user whose calls fail for as long as this. */
const timeoutSeconds = 20
const methods = ['truid.phone_check', 'truecaller.web', 'truecaller.push', 'otpless.otp', 'otpless.token'] as const
type Method = typeof methods[number]
const findsNumber: readonly Method[] = ['truecaller.web', 'otpless.token']
const badSuffixes = ['99', '98', '97', '96'] as const
const badEnds: End[] = ['verified', 'failed/provider_unavailable', 'expired/attempt_timeout']

let serial = 0
const numberEnding = (suffix: string): string => numberOf(serial += 1, suffix)
let carrierSerial = 3_000
/** Of a carrier whose network does not answer tru.ID: `mno_server_error`. Other providers work. */
const numberOfDeadCarrier = (): string => `+1415${carrierSerial += 1}399`

/** An api and a worker; `live` creates a verification and does what its user does with the first method. */
async function startBoth (t: Test) {
  const deployment = await startDeployment(t)
  const { start, shop, simulators } = deployment
  await Promise.all([start(deployment.api), start(deployment.worker)])

  async function live (phoneNumber: string, first: Method, ...others: Method[]): Promise<string> {
    const { status, body } = await retryUntilAnswered(() => shop.create({
      workflow: [first, ...others].map(method => ({ method, timeoutSeconds })),
      ...findsNumber.includes(first) ? {} : { phoneNumber },
    }))
    if (status !== 201) throw new Error(`answered ${status} ${body['code']}`)
    await act(shop, simulators, body, phoneNumber)
    return String(body['id'])
  }

  /** The first method fails; the user types the code of the second one. */
  async function fallBack (id: string, phoneNumber: string): Promise<void> {
    const seen = await shop.waitFor(id, ({ status, nextAction }) =>
      status !== 'pending' || nextAction?.type === 'submitCode')
    await act(shop, simulators, seen, phoneNumber)
  }
  return { ...deployment, live, fallBack }
}

const stateOf = async (client: Client, provider: string): Promise<string> => {
  const { body } = await retryUntilAnswered(() => client.call('GET', '/providers'))
  return body['data'].find((one: Record<string, any>) => one['provider'] === provider).health.breaker
}

async function assertClosed (t: Test, shop: Client): Promise<void> {
  for (const provider of ['truid', 'truecaller', 'otpless']) t.equal(await stateOf(shop, provider), 'closed', provider)
}

/** What a stranger does with verifications of their own: tokens that no provider issued. */
async function sendGarbage ({ shop, url }: { shop: Client, url: string }, times: number): Promise<void> {
  for (let n = 0; n < times; n += 1) {
    const token = randomBytes(24).toString('base64url')
    const web = await retryUntilAnswered(() => shop.create({ workflow: ['truecaller.web'] }))
    const requestId = /requestNonce=([\w-]+)/.exec(web.body['nextAction'].url)?.[1]
    await post(`${url}/callbacks/truecaller`, { requestId, accessToken: token })
    const sdk = await retryUntilAnswered(() => shop.create({ workflow: ['otpless.token'] }))
    await shop.call('POST', `/verifications/${sdk.body['id']}/check`, { token })
  }
}

t.test('three users with a bad profile and six garbage tokens cost four others nothing', {
  buffered: true,
}, async t => {
  const both = await startBoth(t)
  const { oracle, shop, live } = both
  for (const method of methods) {
    for (let n = 0; n < 3; n += 1) oracle.accept(await live(numberEnding('99'), method), ...badEnds)
  }
  await sendGarbage(both, 6)
  for (const method of methods) {
    for (let n = 0; n < 4; n += 1) oracle.accept(await live(numberEnding('10'), method), 'verified')
  }
  await assertClosed(t, shop)
  await oracle.judge('three users whose calls fail, before four others')
})

t.test('one per cent of poisoned verifications and a dead carrier among many', { buffered: true }, async t => {
  const both = await startBoth(t)
  const { oracle, live, fallBack, shop } = both
  const healthy = new Set<string>()
  const run = async (n: number): Promise<void> => {
    const method = methods[n % methods.length] ?? 'otpless.otp'
    if (n % 100 === 0) {
      const hundred = n / 100
      const suffix = badSuffixes[hundred % badSuffixes.length] ?? '99'
      const id = await live(numberEnding(suffix), methods[hundred % methods.length] ?? method)
      return oracle.accept(id, ...badEnds)
    }
    let id: string
    if (method === 'truid.phone_check' && n % 2 === 0) {
      const phoneNumber = numberOfDeadCarrier()
      id = await live(phoneNumber, method, 'otpless.otp')
      await fallBack(id, phoneNumber)
    } else {
      id = await live(numberEnding('10'), method)
    }
    healthy.add(id)
    oracle.accept(id, 'verified')
  }
  const count = longOrShort(2_000, 200)
  const inFlight = 20
  let next = 0
  await Promise.all(Array.from({ length: inFlight }, async () => {
    while (next < count) await run(next++)
  }))
  await sendGarbage(both, 6)
  await assertClosed(t, shop)
  const settled = await oracle.judge('1 % of the verifications poisoned, and a dead carrier')
  const verified = settled.filter(({ id, end }) => healthy.has(id) && end === 'verified').length
  t.ok(verified >= 0.999 * healthy.size, `${verified} of ${healthy.size} healthy verifications end verified`)
})

t.test('a process knows from another one that a provider is down, and that it is back', {
  buffered: true,
}, async t => {
  const { start, all, simulators, shop, oracle, live } = await startBoth(t)
  const port = await freePort()
  await start({ ...all, ROLE: 'api', PORT: String(port) })
  const there = clientOf(`http://127.0.0.1:${port}`, keys.shop)
  simulators.fail({ provider: 'otpless', path: '/auth/v1/initiate', answer: 500, times: 10 })
  for (let n = 0; n < 10; n += 1) {
    oracle.accept(await live(numberEnding('10'), 'otpless.otp'), 'failed/provider_unavailable')
  }
  t.equal(await stateOf(shop, 'otpless'), 'open')
  await until(async () => await stateOf(there, 'otpless') !== 'closed', 'the other process knows')
  const sent = () => simulators.requests.filter(({ path }) => path === '/auth/v1/initiate/otp').length
  t.equal(sent(), 10, 'and has not called the provider')
  // One call in five seconds probes; until then the method is skipped.
  await until(async () => {
    const { body } = await there.create({ phoneNumber: numberEnding('10'), workflow: ['otpless.otp'] })
    if (body['status'] === 'failed') oracle.accept(body['id'], 'failed/provider_unavailable')
    else await shop.call('POST', `/verifications/${body['id']}/cancel`)
    return body['status'] === 'pending'
  }, 'the provider is used again')
  t.equal(await stateOf(there, 'otpless'), 'closed')
  await until(async () => await stateOf(shop, 'otpless') === 'closed', 'the first process knows')
  t.equal(sent(), 11, 'one probe for both')
  await oracle.judge('a provider that is down for ten calls')
})
