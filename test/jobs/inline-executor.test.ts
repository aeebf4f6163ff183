import { AsyncLocalStorage } from 'node:async_hooks'
import { setImmediate as nextTurn } from 'node:timers/promises'
import t from 'tap'
import { createInlineExecutor } from '../../src/jobs/inline-executor.ts'
import { createLogger } from '../../src/telemetry/logger.ts'
import { StoreUnavailable } from '../../src/store/record-store.ts'

function start (maxInFlight = 2) {
  const lines: string[] = []
  return {
    lines,
    hands: createInlineExecutor({ maxInFlight, log: createLogger('debug', { write: line => { lines.push(line) } }) }),
  }
}

t.test('as many as there are', async t => {
  const { hands } = start()
  const [one, two] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  t.ok(hands.tryRun(() => one.promise))
  t.ok(hands.tryRun(() => two.promise))
  t.notOk(hands.tryRun(async () => { t.fail('no hand is free') }))
  one.resolve()
  await nextTurn()
  t.ok(hands.tryRun(async () => {}), 'one is free again')
  two.resolve()
})

t.test('what fails is told, and the hand is free', async t => {
  const { hands, lines } = start(1)
  for (const error of [new StoreUnavailable('TIMEOUT'), new TypeError('a mistake of ours')]) {
    t.ok(hands.tryRun(async () => { throw error }))
    await nextTurn()
  }
  t.match(
    lines.map(line => JSON.parse(line)),
    [{ level: 40, cause: 'StoreUnavailable' }, { level: 50, err: { type: 'TypeError' } }],
  )
})

t.test('closing waits for what is in hand, at maxInFlight so long, and takes nothing more', async t => {
  const { hands } = start()
  const work = Promise.withResolvers<void>()
  let isDone = false
  hands.tryRun(async () => {
    await work.promise
    isDone = true
  })
  const closing = hands.close(60_000)
  t.notOk(hands.tryRun(async () => {}))
  t.equal(await Promise.race([closing, nextTurn('waits')]), 'waits')
  work.resolve()
  await closing
  t.ok(isDone)

  const other = start().hands
  other.tryRun(() => new Promise(() => {}))
  await other.close(10)
  t.pass('it does not wait for ever')
})

t.test('the work is nobody\'s who asked for it', async t => {
  const { hands } = start()
  const context = new AsyncLocalStorage<string>()
  const seen = Promise.withResolvers<string | undefined>()
  context.run('a request', () => hands.tryRun(async () => seen.resolve(context.getStore())))
  t.equal(await seen.promise, undefined)
})
