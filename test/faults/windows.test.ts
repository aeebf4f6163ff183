import t, { type Test } from 'tap'
import { act } from '../e2e/end-user.ts'
import type { Answer } from '../helpers/gateway.ts'
import { until } from '../helpers/redis.ts'
import { codeOf, createOracle, retryUntilAnswered, numberOf, type End } from './oracle.ts'
import { startProxy, type Passed } from './proxy.ts'
import { announces, creates, pointedAt, startKillable, type KillableProcess } from './killed-process.ts'
import type { Command } from './wire.ts'
import { isLong, startDeployment } from './deployment.ts'

// An api dies in a window that is held open. All the rest is started once and shared: a process that dies affects no
// other test.
t.jobs = 5

const initiate = '/auth/v1/initiate/otp'
const verify = '/auth/v1/verify/otp'
const push = '/v1/apps/requests'

const deployment = await startDeployment(t)
const providers = await startProxy(t, deployment.simulators.url)
const survivor = await deployment.start({ ...deployment.all, ...pointedAt(providers) })

type Opening = {
  /** Where the process waits when it dies: for the answer of this provider, or for Redis. */
  at: { answer: string } | { request: (command: Command) => boolean } | { reply: (command: Command) => boolean }
  n: number
}

/**
 * Kills the process in that window, with the client's request in flight. Returns the response, if there is one. `look`
 * runs after the kill.
 */
async function die (
  { gateway, redis, providers: own }: KillableProcess, { at }: Opening, ask: () =>
    Promise<Answer>, look: () => Promise<void>,
): Promise<Answer | null> {
  const isHeld = 'answer' in at
    ? lose(own, at.answer)
    : ('request' in at ? redis.hold('request', at.request) : redis.hold('reply', at.reply)).caught
  // A process that has just started may be overloaded.
  const askUntilAccepted = async (): Promise<Answer | null> => {
    const answer = await ask().catch(() => null)
    return answer?.status === 503 ? askUntilAccepted() : answer
  }
  const answer = askUntilAccepted()
  await Promise.race([isHeld, answer.then(early => { throw new Error(`answered ${early?.status}`) })])
  await gateway.kill()
  await look()
  return await answer
}

async function lose (proxy: Awaited<ReturnType<typeof startProxy>>, path: string): Promise<void> {
  const before = proxy.passed.length
  proxy.lose(path, 1)
  await until(
    () => proxy.passed.slice(before).some(({ path: seen, status }) => seen === path && status !== null),
    `${path} is asked`,
  )
}

/** A victim, a number and what goes with it. */
async function startScene (t: Test, n: number) {
  const victim = await startKillable(t, deployment, deployment.api)
  const { shop, redisUrl, receiver } = deployment
  const oracle = await createOracle(
    t, { shop, redisUrl, receiver, logs: () => [...victim.gateway.logs, ...survivor.logs] },
  )
  const isAbout = ({ body }: Passed): boolean =>
    body['phoneNumber'] === numberOf(n, '10') || body['phoneNumber'] === Number(
      numberOf(n, '10').slice(1),
    ) || body['otp'] === codeOf(numberOf(n, '10'))
  const create = (workflow: unknown[], client = shop): Promise<Answer> =>
    client.create(
      { phoneNumber: numberOf(n, '10'), workflow, reference: `order-${n}` }, { 'idempotency-key': `key-${n}` },
    )
  return {
    victim, oracle, create,
    asked: (path: string): number => [
      ...victim.providers.passed, ...providers.passed,
    ].filter(one => one.path === path && isAbout(one)).length,
    /** The verifications with this reference, as the survivor reads them. */
    kept: async (): Promise<Record<string, any>[]> => (
      await shop.call('GET', `/verifications?reference=order-${n}`)
    ).body['data'],
  }
}

type CreateWindow = Opening & {
  name: string, method?: string, inShort?: true, revision: number | null, asked: number, end: End, askedInAll?: number,
}
const otp = 'otpless.otp'

/** `asked`: how often the provider was before the death; in all only where that is not the same. */
const createWindows: CreateWindow[] = [
  {
    n: 1, name: 'the create has not reached Redis', at: { request: creates }, revision: null, asked: 0, end: 'verified',
    askedInAll: 1,
  },
  {
    n: 2, name: 'the create is written, and no request sent', at: { reply: creates }, inShort: true, revision: 1,
    asked: 0, end: 'failed/provider_unavailable',
  },
  {
    n: 3, name: 'the provider is asked, and has not answered', at: { answer: initiate }, revision: 1, asked: 1,
    end: 'failed/provider_unavailable',
  },
  {
    n: 4, name: 'the provider has answered, and nothing of it is written', at: { request: announces(2) }, revision: 1,
    asked: 1, end: 'failed/provider_unavailable',
  },
  {
    n: 5, name: 'all is written, and no webhook sent', at: { reply: announces(2) }, inShort: true, revision: 2,
    asked: 1, end: 'verified',
  },
  // The callback comes by our own name for the attempt, whether or not the answer to our start was kept.
  {
    n: 6, name: 'Truecaller has taken a push, and nothing of it is written', at: { request: announces(2) },
    method: 'truecaller.push', inShort: true, revision: 1, asked: 1, end: 'verified',
  },
]

for (const { name, method = otp, inShort, revision, end, askedInAll, ...opening } of createWindows) {
  if (isLong || inShort === true) t.test(`create: ${name}`, { buffered: true }, async t => {
    const { n, asked: askedBefore } = opening
    const { victim, oracle, create, asked, kept } = await startScene(t, n)
    const path = method === otp ? initiate : push
    const unheard = await die(victim, opening, () => create([method], victim.shop), async () => {
      t.equal(asked(path), askedBefore, `the provider was asked ${askedBefore} times`)
      t.match(await kept(), revision === null ? [] : [{ revision, status: 'pending' }], 'what is in Redis')
    })
    t.equal(unheard, null, 'the client got no response')

    const { status, body } = await retryUntilAnswered(() => create([method]))
    t.equal(status, 201)
    oracle.accept(body['id'], end)
    if (method === otp && end === 'verified') {
      t.match(
        await deployment.shop.call('POST', `/verifications/${body['id']}/check`, { code: codeOf(numberOf(n, '10')) }),
        { status: 200, body: { status: 'verified' } },
      )
    }
    await oracle.judge(`api SIGKILLed: create, ${name}`)
    t.match(await kept(), [{ id: body['id'] }], 'one verification for one key')
    t.equal((await create([method])).body['id'], body['id'])
    t.equal(asked(path), askedInAll ?? askedBefore, 'no second message')
  })
}

type CheckWindow = Opening & {
  name: string, inShort?: true, revision: number, asked: number, askedInAll: number, again: number,
}

/** `again`: what the app is answered when it asks the same again. */
const checkWindows: CheckWindow[] = [
  {
    n: 11, name: 'the evidence has not reached Redis', at: { request: announces(3) }, revision: 2, asked: 0,
    askedInAll: 1, again: 200,
  },
  {
    n: 12, name: 'the evidence is written, and no request sent', at: { reply: announces(3) }, revision: 3, asked: 0,
    askedInAll: 1, again: 202,
  },
  {
    n: 13, name: 'the provider is asked, and has not answered', at: { answer: verify }, revision: 3, asked: 1,
    askedInAll: 2, again: 202,
  },
  {
    n: 14, name: 'the provider has said yes, and nothing of it is written', at: { request: announces(4) },
    inShort: true, revision: 3, asked: 1, askedInAll: 2, again: 202,
  },
  {
    n: 15, name: 'the outcome is written, and no webhook sent', at: { reply: announces(4) }, revision: 4, asked: 1,
    askedInAll: 1, again: 200,
  },
]

for (const { name, inShort, revision, asked: askedBefore, askedInAll, again, ...opening } of checkWindows) {
  if (isLong || inShort === true) t.test(`check: ${name}`, { buffered: true }, async t => {
    const { n } = opening
    const { victim, oracle, create, asked, kept } = await startScene(t, n)
    const { body: { id } } = await create([otp], victim.shop)
    oracle.accept(id, 'verified')
    const check = (client = deployment.shop): Promise<Answer> =>
      client.call('POST', `/verifications/${id}/check`, { code: codeOf(numberOf(n, '10')) })
    const unheard = await die(victim, opening, () => check(victim.shop), async () => {
      t.equal(asked(verify), askedBefore, `the provider was asked ${askedBefore} times`)
      t.match(await kept(), [{ id, revision, status: revision === 4 ? 'verified' : 'pending' }], 'what is in Redis')
    })
    t.equal(unheard, null, 'the client got no response')
    t.equal((await check()).status, again, 'the app asks again')
    await oracle.judge(`api SIGKILLed: check, ${name}`)
    t.equal(asked(verify), askedInAll, 'the provider is asked no oftener than it must')
    t.equal(asked(initiate), 1)
    t.match(await check(), { status: 200, body: { status: 'verified' } }, 'the evidence that settled it')
  })
}

if (isLong) t.test('check: the provider has said no to a code, and nothing of it is written', {
  buffered: true,
}, async t => {
  const n = 16
  const { victim, oracle, create, kept } = await startScene(t, n)
  const { body: { id } } = await create([otp], victim.shop)
  oracle.accept(id, 'verified')
  const [right, wrong] = [codeOf(numberOf(n, '10')), '000016']
  const check = (code: string, client = deployment.shop): Promise<Answer> =>
    client.call('POST', `/verifications/${id}/check`, { code })
  const statuses = (code: string): (number | null)[] =>
    [...victim.providers.passed, ...providers.passed].filter(
      ({ path, body }) => path === verify && body['otp'] === code,
    ).map(({ status }) => status)
  const unheard = await die(victim, { n, at: { request: announces(4) } }, () => check(wrong, victim.shop), async () => {
    t.same(statuses(wrong), [400], 'the provider was asked, and said no')
    t.match(await kept(), [{ id, revision: 3, status: 'pending' }], 'what is in Redis')
  })
  t.equal(unheard, null, 'the client got no response')
  const waiting = await deployment.shop.waitFor(
    id, ({ nextAction, status }) => status !== 'pending' || nextAction?.type === 'submitCode',
  )
  t.match(waiting, { status: 'pending', verified: false }, 'what the provider says again proves nothing')
  t.same(statuses(wrong), [400, 400])
  t.match(await check(right), { status: 200, body: { status: 'verified' } })
  await oracle.judge('api SIGKILLed: check, the provider has said no to a code, and nothing of it is written')
  t.same(statuses(right), [200])
})

type ActionWindow = Opening & {
  name: string, action: 'cancel' | 'next', inShort?: true, revision: number, again?: number,
}

const actionWindows: ActionWindow[] = [
  { n: 21, action: 'cancel', name: 'it has not reached Redis', at: { request: announces(3) }, revision: 2, again: 200 },
  {
    n: 22, action: 'cancel', name: 'it is written, and no webhook sent', at: { reply: announces(3) }, inShort: true,
    revision: 3, again: 409,
  },
  {
    n: 23, action: 'next', name: 'it is written, and the next provider not asked', at: { reply: announces(3) },
    revision: 3,
  },
  {
    n: 24, action: 'next', name: 'the next attempt is written, and no webhook sent', at: { reply: announces(4) },
    revision: 4,
  },
]

for (const { name, action, inShort, revision, again, ...opening } of actionWindows) {
  if (isLong || inShort === true) t.test(`${action}: ${name}`, { buffered: true }, async t => {
    const { n } = opening
    const { victim, oracle, create, asked, kept } = await startScene(t, n)
    const { body: { id } } = await create([otp, 'truid.phone_check'], victim.shop)
    oracle.accept(id, action === 'cancel' ? 'canceled/app_canceled' : 'verified')
    const call = (client = deployment.shop): Promise<Answer> =>
      client.call('POST', `/verifications/${id}/${action}`, action === 'next' ? {} : undefined)
    const unheard = await die(victim, opening, () => call(victim.shop), async () => {
      t.match(await kept(), [{ id, revision }], 'what is in Redis')
    })
    t.equal(unheard, null, 'the client got no response')
    if (action === 'cancel') t.match(
      await call(),
      { status: again, body: again === 200 ? { status: 'canceled' } : { verificationStatus: 'canceled' } },
    )
    else {
      const waiting = await deployment.shop.waitFor(id, ({ nextAction }) => nextAction?.type === 'openUrlOnCellular')
      t.match(
        waiting['attempts'], [{ method: otp, status: 'failed' }, { method: 'truid.phone_check', status: 'pending' }],
        'one attempt, by whomever it is started',
      )
      await act(deployment.shop, deployment.simulators, waiting, numberOf(n, '10'))
    }
    await oracle.judge(`api SIGKILLed: ${action}, ${name}`)
    t.equal(asked(initiate), 1)
  })
}
