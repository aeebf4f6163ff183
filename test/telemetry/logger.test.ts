import t from 'tap'
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
