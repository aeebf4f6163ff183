import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import { createLogger } from '../../src/telemetry/logger.ts'

function write (log: (logger: ReturnType<typeof createLogger>) => void): Record<string, unknown> {
  const lines: string[] = []
  log(createLogger('info', { write: line => { lines.push(line) } }))
  t.equal(lines.length, 1)
  return JSON.parse(lines[0] ?? '{}')
}

t.test('of an error the name, the message and the stack are logged, and no other member or cause', async t => {
  const cause = Object.assign(new Error('hunter2'), { command: { name: 'set', args: ['hunter2'] } })
  const error = Object.assign(new TypeError('what failed', { cause }), { input: 'hunter2', errors: [cause] })
  for (const line of [write(log => log.error({ err: error }, 'failed')), write(log => log.error(error))]) {
    t.match(line, { err: { type: 'TypeError', message: 'what failed', stack: /^TypeError: what failed\n/ } })
    t.notMatch(JSON.stringify(line), /hunter2/)
  }
  t.strictSame(write(log => log.error({ err: 'hunter2' }, 'failed'))['err'], { type: 'string' })
})

t.test('members that have what was sent are removed', async t => {
  const names = ['url', 'body', 'headers', 'token', 'phoneNumber']
  const secrets = Object.fromEntries(names.map(name => [name, 'hunter2']))
  const line = write(log => log.info({ ...secrets, verificationId: 'ver_1' }, 'request'))
  t.match(line, { msg: 'request', verificationId: 'ver_1' })
  t.notMatch(JSON.stringify(line), /hunter2/)
})

/** A process that runs this with a `log` that writes to stdout. */
function run (t: Test, program: string) {
  const module = JSON.stringify(new URL('../../src/telemetry/logger.ts', import.meta.url))
  const source = `import { createLogger } from ${module}; const log = createLogger('info'); ${program}`
  const child = spawn(process.execPath, ['--input-type=module', '-e', source], { stdio: ['ignore', 'pipe', 'inherit'] })
  t.teardown(() => child.kill('SIGKILL'))
  return child
}
const messagesOf = (lines: string): string[] => lines.trim().split('\n').map(line => JSON.parse(line).msg)

t.test('no line is lost at an orderly end, and their order is kept', async t => {
  const program = `for (let n = 0; n < 20_000; n += 1) log.info(String(n))
    log.flush(() => { log.info('last'); process.exit() })`
  const expected = [...Array.from({ length: 20_000 }, (_, n) => String(n)), 'last']
  t.ok(messagesOf(await text(run(t, program).stdout)).join() === expected.join())
})

t.test('a fatal line is written at once, with those before it', async t => {
  const child = run(t, 'log.info(\'first\'); log.fatal(\'second\'); process.kill(process.pid, \'SIGKILL\')')
  t.strictSame(messagesOf(await text(child.stdout)), ['first', 'second'])
})

t.test('a single line is written while the process goes on', async t => {
  const child = run(t, 'log.info(\'waiting\'); setInterval(() => {}, 60_000)')
  const [line] = await once(createInterface(child.stdout), 'line')
  t.match(line, /waiting/)
})
