import { execFile } from 'node:child_process'
import { mkdtemp, readFile, realpath, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { findExecutable } from '../../scripts/install.ts'
import { findRedis } from '../../scripts/redis.ts'
import { until } from '../helpers/redis.ts'
import { startRestartableRedis, startWriter } from './restartable-redis.ts'
import { runLifecycle } from './lifecycle.ts'
import { retryUntilAnswered } from './oracle.ts'
import { longOrShort, startDeployment } from './deployment.ts'

t.jobs = 2

/** The size of the file at its last sync, and the time of that sync (ms since the epoch). */
type Synced = { bytes: number, at: number }

const pattern = new RegExp(
  /^(?<pid>\d+) +(?<at>[\d.]+) (?:<\.\.\. (?<resumed>\w+) resumed>|(?<call>\w+)\()/.source
    + /.*?(?: = (?<result>\d+)|<unfinished \.\.\.>)$/.source,
)

/**
 * Reads what strace saw of the calls on one file. A sync that has returned keeps what was written before it began. The
 * system promises no more than that after a power cut; a later write may be there or not.
 */
function readTrace (trace: string): Synced {
  let written = 0
  const synced: Synced = { bytes: 0, at: 0 }
  const open = new Map<string, { call: string, before: number }>()
  for (const line of trace.split('\n')) {
    const { pid = '', at = '', resumed, call = resumed, result } = pattern.exec(line)?.groups ?? {}
    if (call === undefined) continue
    const begun = resumed === undefined ? { call, before: written } : open.get(pid)
    if (begun === undefined) throw new Error(`a call that never began: ${line}`)
    if (result === undefined) open.set(pid, begun)
    else if (call === 'write') written += Number(result)
    else Object.assign(synced, { bytes: begun.before, at: Number(at) * 1000 })
  }
  return synced
}

const run = promisify(execFile)
const strace = await findExecutable(['strace'], process.env['PATH'] ?? '')
const isAllowed = strace !== null && await run(
  strace, ['-D', '-f', '-qq', '-o', '/dev/null', 'true'],
).then(() => true, () => false)
const skip = !isAllowed && 'needs strace, and a system that lets it look on'

/** A Redis whose machine can lose power: unsynced data is lost. */
async function startUnplugged (t: Test, fsync: 'everysec' | 'always') {
  const folder = await realpath(await mkdtemp(join(tmpdir(), 'verigate-power-')))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const [binary, trace, dir] = [join(folder, 'redis-server'), join(folder, 'trace'), join(folder, 'data')]
  const file = join(dir, 'appendonlydir', 'appendonly.aof.1.incr.aof')
  await writeFile(
    binary,
    `#!/bin/sh\nexec ${strace} -D -f -qq -ttt -s 0 -e trace=write,fdatasync,fsync `
      + `-P ${file} -o ${trace} ${await findRedis()} "$@"\n`,
    { mode: 0o755 },
  )
  const redis = await startRestartableRedis(t, { fsync, binary, dir })
  await redis.ask('CONFIG', 'SET', 'auto-aof-rewrite-percentage', '0')
  const look = async (): Promise<Synced> => readTrace(await readFile(trace, 'utf8'))
  return {
    redis,
    lastSynced: look,
    /** Resolves with the number of lost bytes. */
    async cutPower (): Promise<number> {
      await redis.kill()
      const [{ bytes }, { size }] = [await look(), await stat(file)]
      await truncate(file, bytes)
      return size - bytes
    },
  }
}

for (const fsync of ['everysec', 'always'] as const) {
  t.test(`power cut, appendfsync ${fsync}`, { buffered: true, skip }, async t => {
    const figures = { acknowledged: 0, lost: 0, lostBytes: 0, longestMs: 0, creates: 0, createsLost: 0 }
    // On a busy machine a sync may happen between the look at the trace and the cut: then nothing is lost.
    const isShown = (): boolean => fsync === 'always' || figures.lostBytes > 0
    const rounds = longOrShort(4, 1)
    for (let round = 0; round < rounds || round < rounds + 3 && !isShown(); round += 1) {
      const { redis, lastSynced, cutPower } = await startUnplugged(t, fsync)
      const { shop, oracle, start, all } = await startDeployment(t, { redisUrl: redis.url })
      const gateway = await start(all)
      const writer = await startWriter(t, redis.url, 16)
      const created: { id: string, endsAt: number }[] = []
      const timeoutSeconds = longOrShort(20, 8)
      let isOver = false
      const creating = Promise.all([1, 2].map(async () => {
        while (!isOver) {
          const { status, body } = await shop.create(
            { workflow: [{ method: 'truecaller.web', timeoutSeconds }] },
          )
          if (status === 201) created.push({ id: body['id'], endsAt: Date.now() + timeoutSeconds * 1_000 })
        }
      }))
      await until(
        () => writer.acknowledged.length >= longOrShort(10_000, 1_500) && created.length >= 50, 'enough is written')
      // The worst moment is just before the next sync.
      await until(async () => {
        const agoMs = Date.now() - (await lastSynced()).at
        return fsync === 'always' || agoMs > 500 && agoMs < 950
      }, 'the next sync is near')
      const cutAt = performance.now()
      // An end that was written just before the cut may be lost, and then comes a second time.
      const undecided = created.filter(({ endsAt }) => endsAt > Date.now() + 2_000).map(({ id }) => id)
      const lostBytes = await cutPower()
      isOver = true
      await writer.stop()
      await redis.start()
      await creating
      await until(async () => (await shop.call('GET', '/readyz')).status === 200, 'ready again')

      const missing = await writer.missing()
      const found = await Promise.all(
        created.map(
          async ({ id }) => (
            { id, status: (await retryUntilAnswered(() => shop.call('GET', `/verifications/${id}`))).status }
          ),
        ),
      )
      t.same(found.filter(({ status }) => ![200, 410].includes(status)), [], 'each is found, or answered with 410')
      figures.acknowledged += writer.acknowledged.length
      figures.lost += missing.length
      figures.longestMs = Math.max(figures.longestMs, ...missing.map(({ at }) => Math.round(cutAt - at)))
      figures.creates += created.length
      figures.createsLost += found.filter(({ status }) => status === 410).length
      figures.lostBytes += lostBytes
      for (const { id, status } of found) if (
        status === 200 && undecided.includes(id)
      ) oracle.accept(id, 'expired/attempt_timeout')
      for (let n = 0; n < 5; n += 1) await runLifecycle(n, shop, oracle)
      await oracle.judge(`power of Redis cut, appendfsync ${fsync}; what was on the disk`)
      await gateway.kill()
    }
    const { acknowledged, lost, longestMs, creates, createsLost } = figures
    t.comment([
      `power cut, appendfsync ${fsync}: lost ${lost} of ${acknowledged} acknowledged writes `
        + `and ${createsLost} of ${creates} creates`,
      ...lost === 0 ? [] : [`the oldest acknowledged ${longestMs} ms before the cut`],
    ].join(', '))
    t.ok(isShown(), `${figures.lostBytes} bytes were not on the disk`)
    if (fsync === 'always') t.same([lost, createsLost], [0, 0], 'nothing acknowledged is lost')
  })
}
