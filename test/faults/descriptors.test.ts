import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'
import { delimiter, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import t from 'tap'
import { until } from '../helpers/redis.ts'
import { runLifecycle } from './lifecycle.ts'
import type { Oracle } from './oracle.ts'
import { startDeployment } from './deployment.ts'


const isThere = (name: string): boolean => (process.env['PATH'] ?? '').split(delimiter).some(
  folder => existsSync(join(folder, name)),
)

t.test('no file descriptor left', {
  skip: !(isThere('prlimit') && existsSync('/proc/self/fd')) && 'needs prlimit and /proc',
}, async t => {
  const { shop, oracle, all, url, start } = await startDeployment(t)
  const gateway = await start(all)
  for (let n = 0; n < 5; n += 1) await runLifecycle(n, shop, oracle)
  const opened = async (): Promise<number> => (await readdir(`/proc/${gateway.pid}/fd`)).length
  const usual = await opened()
  const most = usual + 20
  await promisify(execFile)('prlimit', ['--pid', String(gateway.pid), `--nofile=${most}:${most}`])

  const { port } = new URL(url)
  const sockets: Socket[] = []
  let refused = 0
  for (let n = 0; n < 100; n += 1) sockets.push(
    connect(Number(port), '127.0.0.1').on('error', () => {}).on('close', () => { refused += 1 }),
  )
  t.teardown(() => sockets.forEach(socket => socket.destroy()))
  await Promise.all(sockets.map(socket => Promise.race([once(socket, 'connect'), once(socket, 'close')])))
  await until(async () => await opened() >= most - 1, 'no descriptor is left')
  // A request that is accepted then may fail to connect to its provider.
  const lenient: Oracle = {
    ...oracle, accept: (id, ...ends) => oracle.accept(id, ...ends, 'failed/provider_unavailable'),
  }
  const lives = Array.from({ length: 10 }, (_, n) => runLifecycle(100 + n, shop, lenient).then(() => true, () => false))
  const denied = await shop.call('GET', '/livez').then(
    ({ status }) => status, (error: Error & { code?: string }) => error.code ?? error.message,
  )
  await delay(1_500)
  t.equal(await opened() >= most - 1, true, 'none is free for a while')
  const refusedThen = refused
  for (const socket of sockets) socket.destroy()
  const freedAt = performance.now()
  await until(async () => (await shop.call('GET', '/readyz').catch(() => null))?.status === 200, 'it is ready')
  const readyMs = Math.round(performance.now() - freedAt)
  t.same(new Set(await Promise.all(lives)), new Set([true]), 'clients that retry succeed')
  // On a busy machine so many failed that the breaker is open for some seconds.
  await runLifecycle(200, shop, lenient)
  await oracle.judge(`no file descriptor left of ${most}`)
  await until(async () => await opened() < most, 'all descriptors are closed again')
  t.comment(
    `usually ${usual} descriptors, at most ${most}: ${refusedThen} of 100 connections refused, `
      + `/livez then ${denied}; ready ${readyMs} ms after they were gone`,
  )
})
