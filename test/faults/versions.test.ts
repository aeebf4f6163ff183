import { createHash } from 'node:crypto'
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { Redis } from 'ioredis'
import t, { type Test } from 'tap'
import { createRecordCodec } from '../../src/verifications/record-codec.ts'
import { createSealer } from '../../src/store/sealing.ts'
import { readLine, type GatewayProcess } from '../helpers/process.ts'
import { until } from '../helpers/redis.ts'
import { startBalancer } from './balancer.ts'
import { runLifecycle } from './lifecycle.ts'
import { isLong, longOrShort, startDeployment, type Deployment } from './deployment.ts'

const { decode: decodeRecord } = createRecordCodec()


const root = join(import.meta.dirname, '../..')

/**
 * What the next version may change without a migration: the text of a script, and new fields in records and jobs, which
 * this version does not know.
 */
const changes: { file: string, from: string, to: string }[] = [
  { file: 'core/decide.ts', from: '{ ...request, status', to: '{ ...request, ...{ later: { to: \'come\' } }, status' },
  { file: 'webhooks/delivery.ts', from: 'packer.pack(delivery)', to: 'packer.pack({ ...delivery, later: 1 })' },
  { file: 'jobs/queues.ts', from: ', { id }, {', to: ', { id, later: 1 }, {' },
  { file: 'store/write.lua', from: 'local last,', to: '-- Of the next version.\nlocal last,' },
]

/** A build of this version with those changes; its `main.ts`. */
async function buildNext (t: Test): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'verigate-next-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  await Promise.all([
    cp(
      join(root, 'src'), join(folder, 'src'), { recursive: true },
    ), cp(join(root, 'package.json'), join(folder, 'package.json')),
    ...['node_modules', 'packages'].map(name => symlink(join(root, name), join(folder, name))),
  ])
  for (const { file, from, to } of changes) {
    const path = join(folder, 'src', file)
    const text = await readFile(path, 'utf8')
    if (!text.includes(from)) throw new Error(`${file} does not say ${from}`)
    await writeFile(path, text.replaceAll(from, to))
  }
  return join(folder, 'src/main.ts')
}

/**
 * Two versions at once behind a balancer, under load; then the one leaves, and then it comes back and the other leaves:
 * a rollout, and its taking back.
 */
async function runBoth (
  t: Test, { api, worker, url, shop, oracle, start }: Deployment, main: string,
): Promise<{ ours: GatewayProcess[], theirs: GatewayProcess[] }> {
  const balancer = await startBalancer(t, Number(new URL(url).port))
  const startPair = async (options?: { main: string }): Promise<GatewayProcess[]> => {
    const pair = await Promise.all(
      [start({ ...api, PORT: '0', SHUTDOWN_DELAY_SECONDS: '2' }, options), start(worker, options)],
    )
    await balancer.add(await pair[0]!.listening)
    return pair
  }
  const stop = async (pair: GatewayProcess[]): Promise<void> => {
    for (const one of pair) one.signal('SIGTERM')
    for (const one of pair) t.equal((await one.ended).code, 0)
  }
  const [ours, theirs] = [await startPair(), await startPair({ main })]
  const all = { ours: [...ours], theirs: [...theirs] }
  let isOver = false
  const lives: Promise<void>[] = []
  const load = (async () => {
    for (let n = 0; !isOver; n += 1) {
      // Without provider failures: a new worker that sees mostly failures opens its breaker.
      if (n % 5 !== 3) lives.push(runLifecycle(n, shop, oracle))
      await delay(longOrShort(80, 120))
    }
  })()
  await until(() => oracle.reached(2) >= longOrShort(60, 20), 'both have served requests')
  if (isLong) {
    await stop(ours)
    await delay(3_000)
    all.ours.push(...await startPair())
    await delay(3_000)
    await stop(theirs)
    await delay(2_000)
  }
  isOver = true
  await load
  await Promise.all(lives)
  t.same(balancer.failures, [], 'no failed request')
  return all
}

/** Of which verifications these processes log that. */
const namedIn = (processes: GatewayProcess[], word: string): Set<string> =>
  new Set(
    processes.flatMap(({ logs }) => logs).filter(
      line => line.includes(`"${word}"`) && line.endsWith('}'),
    ).map(line => String(readLine(line)['verificationId'])),
  )

t.test('this version and the next one share a Redis', async t => {
  const [deployment, main] = [await startDeployment(t), await buildNext(t)]
  const { ours, theirs } = await runBoth(t, deployment, main)
  const settled = await deployment.oracle.judge(
    `two versions at once${isLong ? ', the one and then the other replaced' : ''}`,
  )
  const [begunByThem, endedByThem] = [namedIn(theirs, 'created'), namedIn(theirs, 'verification ended')]
  const [begunByUs, endedByUs] = [namedIn(ours, 'created'), namedIn(ours, 'verification ended')]
  const crossed = { toUs: begunByThem.intersection(endedByUs).size, toThem: begunByUs.intersection(endedByThem).size }
  t.ok(crossed.toUs > 0 && crossed.toThem > 0, 'each ended verifications that the other had created')

  const redis = new Redis(deployment.redisUrl)
  t.teardown(() => redis.disconnect())
  const sealer = createSealer(deployment.all['SEAL_KEYS'] ?? '')
  const records = await Promise.all(settled.map(async ({ id }) => {
    const [key = ''] = await redis.keys(`vg:*r${id}`)
    const sealed = await redis.getBuffer(key)
    return sealed === null ? {} : decodeRecord(sealer.open(sealed, id), id)
  }))
  const withLater = records.filter(record => 'later' in record).length
  t.equal(withLater, begunByThem.size, 'no version drops unknown fields')
  const scripts = await Promise.all([join(root, 'src'), dirname(main)].map(async folder => {
    const files = ['tables.lua', 'write.lua'].map(file => readFile(join(folder, 'store', file), 'utf8'))
    return (await Promise.all(files)).join('')
  }))
  const hashes = scripts.map(text => createHash('sha1').update(text).digest('hex'))
  t.same(await redis.script('EXISTS', ...hashes), [1, 1], 'both scripts were run')
  t.comment(`begun by the next version and ended by this one: ${crossed.toUs}; the other way: ${crossed.toThem}`)
})

const older = process.env['OLDER_VERSION']
t.test('an older version and this one', {
  skip: older === undefined && 'needs OLDER_VERSION, the folder of one that is installed',
}, async t => {
  const deployment = await startDeployment(t)
  const { ours, theirs } = await runBoth(t, deployment, join(older ?? '', 'src/main.ts'))
  await deployment.oracle.judge(
    `an older version and this one at once${isLong ? ', the one and then the other replaced' : ''}`,
  )
  t.ok(
    namedIn(ours, 'created').intersection(namedIn(theirs, 'verification ended')).size > 0,
    'it ended what this one had begun',
  )
  t.ok(
    namedIn(theirs, 'created').intersection(namedIn(ours, 'verification ended')).size > 0,
    'and the other way',
  )
})
