import t from 'tap'
import { clientOf } from '../helpers/gateway.ts'
import { readLine } from '../helpers/process.ts'
import { until } from '../helpers/redis.ts'
import { startBadProvider, tokenOf } from './bad-provider.ts'
import { numberOf } from './oracle.ts'
import { announces } from './killed-process.ts'
import { startWire } from './wire.ts'
import { isLong, startDeployment } from './deployment.ts'

t.jobs = 2

const profile = '/v1/default'

// An api enqueues a job; a process with all roles resolves inline.
for (const role of ['api', 'all'] as const) {
  const name = `one callback at two processes (${role}), and both have read before one has written`
  if (isLong || role !== 'api') t.test(name, { buffered: true }, async t => {
    const deployment = await startDeployment(t)
    const { redisUrl, shop, simulators, oracle, start } = deployment
    const bad = await startBadProvider(t, simulators.url)
    const wired = {
      TRUECALLER_API_URL: bad.url, TRUECALLER_PROFILE_URL: bad.url, TRUECALLER_PROFILE_HOSTS: new URL(bad.url).host,
    }
    const wires = [
      await startWire(t, Number(new URL(redisUrl).port)), await startWire(t, Number(new URL(redisUrl).port))
    ]
    const pair = await Promise.all(
      wires.map(wire => start({ ...deployment[role], ...wired, PORT: '0', REDIS_URL: wire.url })),
    )
    await Promise.all(
      [start({ ...deployment.api, ...wired }), ...role === 'api' ? [start({ ...deployment.worker, ...wired })] : []],
    )
    const phoneNumber = numberOf(1, '92')
    const { status, body: { id } } = await shop.create({ phoneNumber, workflow: ['truecaller.push'] })
    t.equal(status, 201)
    oracle.accept(id, 'verified')

    const held = wires.map(wire => wire.hold('request', announces(3)))
    const callback = {
      requestId: 'r', accessToken: tokenOf(phoneNumber),
      state: bad.asked.find(one => one.phoneNumber === phoneNumber)?.body['state'],
    }
    const responses = pair.map(
      async gateway => (
        await clientOf(await gateway.listening, null).call('POST', '/callbacks/truecaller', callback)
      ).status,
    )
    await Promise.all(held.map(({ caught }) => caught))
    t.match(
      (await shop.call('GET', `/verifications/${id}`)).body, { revision: 2 }, 'both are about to write revision 3',
    )
    for (const { release } of held) release()
    t.same(await Promise.all(responses), [200, 200])
    const results = () =>
      pair.flatMap(
        ({ logs }) =>
          logs.filter(line => line.includes('"callback"')).map(
            line => String(Object(readLine(line)['callback']).result),
          ),
      )
    await until(() => results().length === 2, 'both log the result')
    t.match(results().toSorted(), ['accepted', /^(duplicate|late)$/], 'one accepts it, the other sees a duplicate')

    const [settled] = await oracle.judge(`one callback at two processes (${role}) in the same moment`)
    t.match(settled?.verification, { revision: 4, attempts: { length: 1 } }, 'settled once')
    t.equal(bad.asked.filter(({ path }) => path === profile).length, 1, 'one profile fetch')
  })
}
