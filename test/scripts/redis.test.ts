import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import { Redis } from 'ioredis'
import t from 'tap'
import { findRedis, launchRedis } from '../../scripts/redis.ts'

const isAnswering = (url: string): Promise<boolean> => new Promise(resolve => {
  const socket = connect(Number(new URL(url).port), '127.0.0.1')
  socket.once('connect', () => { socket.destroy(); resolve(true) }).once('error', () => resolve(false))
})

const untilGone = async (url: string): Promise<void> => {
  const deadline = performance.now() + 8000
  while (await isAnswering(url)) {
    if (performance.now() > deadline) throw new Error(`${url} still answers`)
    await delay(10)
  }
}

const executable = async (path: string): Promise<string> => {
  await chmod(path, 0o755)
  return path
}

t.test('findRedis', async t => {
  t.test('finds either server on the search path, and passes over what cannot be run', async t => {
    const folder = t.testdir({ a: { 'redis-server': 'not executable' }, b: { 'valkey-server': '#!/bin/sh\n' } })
    const server = await executable(join(folder, 'b', 'valkey-server'))
    t.equal(await findRedis(`${folder}/a:${folder}/b`), server)
    t.match(await findRedis(), /(redis|valkey)-server$/)
  })

  t.test('says in one line what to install', async t => {
    const error = await findRedis(t.testdir()).then(() => null, (error: unknown) => error)
    t.ok(error instanceof Error)
    t.match(String(error), /redis-server.*install/)
    t.notMatch(String(error), /\n/)
  })

  t.test('installs one where the package manager asks no question', async t => {
    const manager = '#!/bin/sh\n[ "$CANNOT" ] && echo no network && exit 1\ndir=${0%/*}\n'
      + 'echo "#!/bin/sh" > "$dir/redis-server"\n/bin/chmod 755 "$dir/redis-server"\n'
    const folder = t.testdir({ brew: manager, dnf: manager })
    for (const name of ['brew', 'dnf']) await executable(join(folder, name))
    t.equal(await findRedis(folder), join(folder, 'redis-server'))
  })

  t.test('says in one line why it could not', async t => {
    const manager = '#!/bin/sh\necho first\necho no network >&2\nexit 100\n'
    const folder = t.testdir({ brew: manager, dnf: manager })
    for (const name of ['brew', 'dnf']) await executable(join(folder, name))
    const error = await findRedis(folder).then(() => null, (error: unknown) => error)
    t.match(String(error), /could not install Redis \(no network\).*install/)
    t.notMatch(String(error), /\n/)
  })
})

t.test('launchRedis', async t => {
  const binary = await findRedis()

  t.test('starts one on loopback that keeps nothing, and stops it', async t => {
    const redis = await launchRedis({ binary, dir: join(t.testdir(), 'data'), persistent: false })
    t.teardown(redis.stop)
    t.match(redis.url, /^redis:\/\/127\.0\.0\.1:\d+$/)
    const client = new Redis(redis.url)
    t.equal(await client.ping(), 'PONG')
    t.match(await client.info('server'), `process_id:${redis.pid}\r\n`)
    t.strictSame(await client.config('GET', 'appendonly'), ['appendonly', 'no'])
    client.disconnect()
    await redis.stop()
    t.notOk(await isAnswering(redis.url))
    t.match(await redis.ended, { code: 0 })
  })

  t.test('a persistent one refuses no write silently, and has its data again', async t => {
    const dir = join(t.testdir(), 'data')
    const first = await launchRedis({ binary, dir, persistent: true })
    t.teardown(first.stop)
    const client = new Redis(first.url)
    for (
      const [name, value] of [
        ['appendonly', 'yes'], ['appendfsync', 'everysec'], ['maxmemory-policy', 'noeviction'],
      ] as const
    ) {
      t.strictSame(await client.config('GET', name), [name, value])
    }
    await client.set('kept', 'yes')
    client.disconnect()

    await t.rejects(launchRedis({ binary, dir, persistent: true }), /in use by another Redis/)
    await first.stop()

    const second = await launchRedis({ binary, dir, persistent: true })
    t.teardown(second.stop)
    const reader = new Redis(second.url)
    t.equal(await reader.get('kept'), 'yes')
    reader.disconnect()
  })

  t.test('tells the last lines of one that does not start, though another answers on its port', async t => {
    const dir = t.testdir()
    const other = await launchRedis({ binary, dir: join(dir, 'other'), persistent: false })
    t.teardown(other.stop)
    await t.rejects(
      launchRedis({ binary, dir: join(dir, 'data'), port: Number(new URL(other.url).port), persistent: false }),
      /did not start: it ended with 1\n.*in use/s,
    )
    await t.rejects(
      launchRedis({ binary: join(dir, 'none'), dir: join(dir, 'data'), persistent: false }),
      /none did not start: it ended with 127/,
    )
  })

  t.test('it does not outlive its owner, even one that is killed', async t => {
    const owner = spawn(
      process.execPath, [join(import.meta.dirname, 'fake-owner.ts')],
      { cwd: t.testdir(), stdio: ['ignore', 'pipe', 'inherit'] },
    )
    t.teardown(() => owner.kill('SIGKILL'))
    const [url] = await once(createInterface({ input: owner.stdout }), 'line') as [string]
    t.ok(await isAnswering(url))
    owner.kill('SIGKILL')
    await untilGone(url)
    t.notOk(await isAnswering(url))
  })
})
