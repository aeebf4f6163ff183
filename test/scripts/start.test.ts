import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { chmod, readFile } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import t from 'tap'
import type { Test } from 'tap'
import { describeSandbox } from '../../scripts/start.ts'

const fakeMain = join(import.meta.dirname, 'fake-main.ts')
const startScript = join(import.meta.dirname, '../../scripts/start.ts')

const listenAnywhere = async () => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return { server, port: address.port }
}

const freePort = async (): Promise<number> => {
  const { server, port } = await listenAnywhere()
  server.close()
  await once(server, 'close')
  return port
}

const isListening = (port: number): Promise<boolean> => new Promise(resolve => {
  const socket = connect(port, '127.0.0.1')
  socket.once('connect', () => { socket.destroy(); resolve(true) }).once('error', () => resolve(false))
})

const until = async (isTrue: () => boolean | Promise<boolean>, what: string): Promise<void> => {
  const deadline = performance.now() + 8000
  while (!await isTrue()) {
    if (performance.now() > deadline) throw new Error(`not in time: ${what}`)
    await delay(10)
  }
}

const run = async (
  t: Test, variables: NodeJS.ProcessEnv = {}, command: readonly [string, ...string[]] = [process.execPath]
) => {
  const port = await freePort()
  const cwd = t.testdir()
  const { REDIS_URL: _redis, LOG_LEVEL: _level, HOST: _host, NODE_COMPILE_CACHE: _cache, ...inherited } = process.env
  const child = spawn(
    command[0], [...command.slice(1), startScript, fakeMain],
    {
      cwd, env: { ...inherited, PORT: String(port), SANDBOX_PORT: '0', npm_lifecycle_event: 'start', ...variables },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  )
  const ended = once(child, 'close')
  t.teardown(async () => {
    child.kill('SIGTERM')
    await ended
  })
  const output = { out: '', err: '' }
  child.stdout.setEncoding('utf8').on('data', (text: string) => { output.out += text })
  child.stderr.setEncoding('utf8').on('data', (text: string) => { output.err += text })
  return {
    child,
    cwd,
    port,
    output,
    exitCode: async (): Promise<unknown> => (await ended)[0],
    ready: async () => {
      await until(() => output.out.includes('Ctrl-C stops everything') || child.exitCode !== null, 'the guide')
      const seen = await (await fetch(`http://127.0.0.1:${port}`)).json() as Record<string, string>
      return { ...seen, redisPort: Number(new URL(seen['REDIS_URL'] ?? '').port) }
    },
  }
}

t.test('each signal stops all of it, in order', async t => {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    t.test(signal, async t => {
      const { child, cwd, port, output, exitCode, ready } = await run(t)
      const { redisPort, ...seen } = await ready()
      t.match(seen, { SANDBOX: 'true', LOG_LEVEL: 'info', NODE_COMPILE_CACHE: '.data/compiled' })
      t.match(output.out, `http://localhost:${port}/docs`)
      t.match(output.out, 'vgk_sandbox')
      t.ok(await isListening(redisPort))
      t.ok(existsSync(join(cwd, '.data', 'redis')))
      child.kill(signal)
      child.kill(signal)
      t.equal(await exitCode(), 0)
      t.match(output.out, /^drained$/m)
      t.notOk(await isListening(port))
      t.notOk(await isListening(redisPort))
    })
  }
})

t.test('shows warnings in short, and nothing else of the log', async t => {
  const { output, ready } = await run(t)
  await ready()
  t.equal(output.err, 'warn: look here: nearly full\nwarn: origin refused: set "allowedOrigins"\n')
  t.notMatch(output.out, /small talk|"level"/)
})

t.test('shows the log from the level asked for, as it is', async t => {
  const all = await run(t, { LOG_LEVEL: 'info' })
  await all.ready()
  t.match(all.output.out, /^\{"level":30,.*small talk.*\}\n\{"level":40,.*look here/m)
  t.equal(all.output.err, '')

  await t.test('and the guide even if that is quieter than the line that starts it', async t => {
    const few = await run(t, { LOG_LEVEL: 'error' })
    t.match(await few.ready(), { LOG_LEVEL: 'info' })
    t.notMatch(few.output.out, /"level"/)
  })
})

t.test('passes on the exit code of a program that ends, and stops Redis', async t => {
  const { port, output, exitCode, ready } = await run(t)
  const { redisPort } = await ready()
  await fetch(`http://127.0.0.1:${port}/crash`).catch(() => {})
  t.equal(await exitCode(), 7)
  t.match(output.err, /^fatal: broken: too old\nplain words\n.*fake-main\.ts ended with exit code 7\.\n$/m)
  t.notOk(await isListening(redisPort))
})

t.test('says that Redis ended, and stops the program', async t => {
  const { port, output, exitCode, ready } = await run(t)
  const { redisPort } = await ready()
  connect(redisPort, '127.0.0.1').on('error', () => {}).end('SHUTDOWN NOSAVE\r\n')
  t.equal(await exitCode(), 1)
  t.match(output.err, /Redis ended unexpectedly/)
  t.match(output.out, /^drained$/m)
  t.notOk(await isListening(port))
})

t.test('leaves nothing behind when it is killed', async t => {
  const { child, port, ready } = await run(t)
  const { redisPort } = await ready()
  child.kill('SIGKILL')
  await until(async () => !await isListening(port) && !await isListening(redisPort), 'both ended')
  t.pass('both ended')
})

t.test('leaves nothing behind when the npm that runs it is killed', async t => {
  const { child, port, ready } = await run(t, {}, ['sh', '-c', '"$0" "$@"; true', process.execPath])
  const { redisPort } = await ready()
  child.kill('SIGKILL')
  await until(async () => !await isListening(port) && !await isListening(redisPort), 'both ended')
  t.pass('both ended')
})

t.test('uses REDIS_URL if it is set', async t => {
  const { cwd, ready } = await run(t, { REDIS_URL: 'redis://127.0.0.1:1' })
  t.match(await ready(), { REDIS_URL: 'redis://127.0.0.1:1' })
  t.notOk(existsSync(join(cwd, '.data', 'redis')))
})

t.test('a port that is taken is one line', async t => {
  const { server, port } = await listenAnywhere()
  t.teardown(() => server.close())
  for (const name of ['PORT', 'SANDBOX_PORT']) {
    const { cwd, output, exitCode } = await run(t, { [name]: String(port) })
    t.equal(await exitCode(), 1)
    t.match(output, { out: '', err: new RegExp(`^Port ${port} is already in use: .*${name}=.*\\n$`) })
    t.notOk(existsSync(join(cwd, '.data')))
  }
})

t.test('the three commands work as they stand', async t => {
  const answer = '{"id":"ver_a-1","status":"pending","attempts":[{"id":"att_2"}]}'
  const folder = t.testdir(
    { curl: `#!/bin/sh\nfor each; do printf '%s\\n' "$each"; done >> "\${0%/*}/calls"\nprintf '%s' '${answer}'\n` },
  )
  await chmod(join(folder, 'curl'), 0o755)
  const commands = describeSandbox('http://0.0.0.0:8080').split('\n').filter(line => line.includes('curl -s'))
  t.equal(commands.length, 3)
  const { stdout } = await promisify(execFile)(
    'sh', ['-c', commands.join('\n')], { env: { PATH: `${folder}:${process.env['PATH']}` } },
  )
  t.equal(stdout, `${answer}\n`.repeat(3))
  const auth = ['-H', 'authorization: Bearer vgk_sandbox']
  const json = ['-H', 'content-type: application/json']
  t.strictSame((await readFile(join(folder, 'calls'), 'utf8')).trimEnd().split('\n'), [
    '-s', 'http://localhost:8080/verifications', ...auth, ...json, '-d',
    '{"phoneNumber":"+14155550100","workflow":["otpless.otp"]}',
    '-s', 'http://localhost:8080/verifications/ver_a-1/check', ...auth, ...json, '-d', '{"code":"550100"}',
    '-s', 'http://localhost:8080/verifications/ver_a-1', ...auth,
  ])
})
