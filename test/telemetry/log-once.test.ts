import t from 'tap'
import { createLogger } from '../../src/telemetry/logger.ts'
import { createLogOnce } from '../../src/telemetry/log-once.ts'

t.test('a key is logged once, and only so many keys are', async t => {
  const lines: string[] = []
  const warnOnce = createLogOnce(createLogger('warn', { write: line => { lines.push(line) } }), 2)
  for (const key of ['a', 'a', 'b', 'a', 'c', 'd']) warnOnce(key, { key }, 'a fault')
  t.match(lines.map(line => JSON.parse(line)), [
    { level: 40, msg: 'a fault', key: 'a' }, { level: 40, msg: 'a fault', key: 'b' },
  ])
  t.equal(lines.length, 2)
})
