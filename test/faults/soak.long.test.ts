import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { Redis } from 'ioredis'
import t from 'tap'
import { findRedis, launchRedis } from '../../scripts/redis.ts'
import { readMetric } from '../e2e/end-user.ts'
import { clientOf, keys } from '../helpers/gateway.ts'
import type { GatewayProcess } from '../helpers/process.ts'
import { freePort, until } from '../helpers/redis.ts'
import { runLifecycle } from './lifecycle.ts'
import type { End, Oracle } from './oracle.ts'
import { startDeployment } from './deployment.ts'

/** The long soak of bench/README.md sets `SOAK_MINUTES`. */
const soakMs = Number(process.env['SOAK_MINUTES'] ?? 2) * 60_000
const [everyMs, pauseMs] = [150, 2_000]

t.test('chaos: processes and Redis killed, providers failing, at random', async t => {
  const dir = await mkdtemp(join(tmpdir(), 'verigate-soak-'))
  t.teardown(() => rm(dir, { recursive: true, force: true }))
  const binary = await findRedis()
  const startRedis = async (port?: number) => {
    const started = await launchRedis({ binary, dir, persistent: true, ...(port === undefined ? {} : { port }) })
    t.teardown(started.stop)
    const admin = new Redis(started.url)
    // Answered requests are on the disk: the guarantee is about those.
    await admin.config('SET', 'appendfsync', 'always')
    admin.disconnect()
    return started
  }
  let redis = await startRedis(await freePort())
  const redisPort = Number(new URL(redis.url).port)
  const { shop, oracle, simulators, api, worker, start, launch, url } = await startDeployment(
    t, { redisUrl: redis.url, simulatorOptions: { retryScale: 0.5 } },
  )

  // Of each role one process that is killed repeatedly, and one that is not.
  const [steady, steadyWorker] = await Promise.all([start({ ...api, PORT: '0' }), start(worker)])
  const mortal: Record<'api' | 'worker', GatewayProcess> = { api: await start(api), worker: await start(worker) }
  const environments = { api, worker }
  const replace = async (role: 'api' | 'worker'): Promise<void> => {
    await mortal[role].kill()
    mortal[role] = launch(environments[role])
    await mortal[role].listening
  }
  const faults: Record<string, () => Promise<void>> = {
    'provider 500': async () => simulators.fail({ provider: 'truecaller', answer: 500, path: '/v1/default', times: 3 }),
    'provider hangs': async () =>
      simulators.fail({ provider: 'truecaller', answer: 'hang', path: '/v1/default', times: 2 }),
    'provider resets': async () => simulators.fail({ provider: 'otpless', answer: 'reset', times: 2 }),
    'worker frozen': async () => {
      steadyWorker.signal('SIGSTOP')
      await delay(Math.random() * 7_000)
      steadyWorker.signal('SIGCONT')
    },
    'Redis killed': async () => {
      process.kill(redis.pid, 'SIGKILL')
      await redis.ended
      await delay(Math.random() * 1_000)
      redis = await startRedis(redisPort)
    },
    'worker killed': () => replace('worker'),
    'api killed': () => replace('api'),
  }

  /**
   * A failing provider, or a callback that no process accepted, may end any of them without a proof. Only a proof makes
   * it verified.
   */
  const usual = new Map<string, End[]>()
  const lenient: Oracle = {
    ...oracle,
    accept (id, ...ends) {
      usual.set(id, ends)
      oracle.accept(id, ...ends, 'failed/provider_unavailable', 'expired/attempt_timeout')
    },
  }
  const endsAt = performance.now() + soakMs
  const injected = new Map<string, number>()
  const troubling = (async () => {
    const names = Object.keys(faults)
    for (let n = 0; performance.now() < endsAt || n < names.length; n += 1) {
      // Each once, and then by chance.
      const name = names[n < names.length ? n : Math.floor(Math.random() * names.length)] ?? ''
      await faults[name]?.()
      injected.set(name, (injected.get(name) ?? 0) + 1)
      await delay(Math.random() * pauseMs)
    }
  })()

  const addresses = [await steady.listening, await steadyWorker.listening]
  const read = (series: string): Promise<number[]> =>
    Promise.all(addresses.map(address => readMetric(address, series).catch(() => NaN)))
  const samples: { resident: number[], heap: number[] }[] = []
  const sampling = (async () => {
    while (performance.now() < endsAt) {
      samples.push(
        { resident: await read('process_resident_memory_bytes'), heap: await read('nodejs_heap_size_used_bytes') },
      )
      await delay(10_000)
    }
  })()

  const other = clientOf(await steady.listening, keys.shop)
  const lives: Promise<void>[] = []
  const wrong: string[] = []
  let gaveUp = 0
  for (let n = 0; performance.now() < endsAt; n += 1) {
    // Who dies is asked again until it is back, or until the app's patience ends.
    lives.push(runLifecycle(n, n % 2 === 0 ? shop : other, lenient).catch((error: Error) => {
      if (/^not within \d+ ms: an answer/.test(error.message)) gaveUp += 1
      else wrong.push(error.message)
    }))
    await delay(everyMs)
  }
  await Promise.all([troubling, sampling])
  await Promise.all(lives)
  t.same(wrong, [], 'every failed response asks for a retry')
  await until(
    async () => (await shop.call('GET', '/readyz').catch(() => null))?.status === 200, `${url} is ready`)
  const what = [...injected].map(([name, times]) => `${name} ${times}×`).join(', ')
  const settled = await oracle.judge(`chaos for ${Math.round(soakMs / 1_000)} s (${what})`)
  t.equal(settled.length, usual.size, 'every accepted verification ended')
  t.ok(usual.size > 0.7 * lives.length, `${usual.size} of ${lives.length} were accepted`)
  t.equal(injected.size, Object.keys(faults).length, 'each fault was injected')
  // Otherwise the lenient ends would hide a low success rate.
  const asWithout = settled.filter(({ id, end }) => usual.get(id)?.includes(end as End)).length
  t.ok(asWithout > 0.6 * settled.length, `${asWithout} of ${settled.length} ended as without faults`)
  t.comment(`${lives.length} begun, of which ${gaveUp} apps lost their patience`)
  const megabytes = (kind: 'resident' | 'heap', of: number): string =>
    samples.map(sample => Math.round((sample[kind][of] ?? 0) / 1e6)).join(' ')
  for (const [of, name] of ['api', 'worker'].entries()) t.comment(
    `MB of the ${name} that lived through it: resident ${megabytes('resident', of)}; heap ${megabytes('heap', of)}`,
  )
})
