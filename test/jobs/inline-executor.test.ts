import { AsyncLocalStorage } from 'node:async_hooks'
import { setImmediate as nextTurn } from 'node:timers/promises'
import t from 'tap'
import { createInlineExecutor } from '../../src/jobs/inline-executor.ts'
import { createLogger } from '../../src/telemetry/logger.ts'
import { StoreUnavailable } from '../../src/store/record-store.ts'

function start (maxInFlight = 2) {
  const lines: string[] = []
  const log = createLogger('debug', { write: line => { lines.push(line) } })
  return {
    lines,
    executor: createInlineExecutor({ maxInFlight, log }),
  }
}

t.test('at most maxInFlight run at once', async t => {
  const { executor } = start()
  const [one, two] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  t.ok(executor.tryRun(() => one.promise))
  t.ok(executor.tryRun(() => two.promise))
  t.notOk(executor.tryRun(async () => { t.fail('no slot is free') }))
  one.resolve()
  await nextTurn()
  t.ok(executor.tryRun(async () => {}), 'one slot is free again')
  two.resolve()
})

t.test('a failure is logged, and the slot is free', async t => {
  const { executor, lines } = start(1)
  for (const error of [new StoreUnavailable('TIMEOUT'), new TypeError('internal')]) {
    t.ok(executor.tryRun(async () => { throw error }))
    await nextTurn()
  }
  t.match(
    lines.map(line => JSON.parse(line)),
    [{ level: 40, cause: 'StoreUnavailable' }, { level: 50, err: { type: 'TypeError' } }],
  )
})

t.test('close waits for running work until its deadline, and accepts no more', async t => {
  const { executor } = start()
  const work = Promise.withResolvers<void>()
  let isDone = false
  executor.tryRun(async () => {
    await work.promise
    isDone = true
  })
  const closing = executor.close(60_000)
  t.notOk(executor.tryRun(async () => {}))
  t.equal(await Promise.race([closing, nextTurn('waits')]), 'waits')
  work.resolve()
  await closing
  t.ok(isDone)

  const other = start().executor
  other.tryRun(() => new Promise(() => {}))
  await other.close(10)
  t.pass('it ends at the deadline')
})

t.test('the work runs outside the context of its caller', async t => {
  const { executor } = start()
  const context = new AsyncLocalStorage<string>()
  const seen = Promise.withResolvers<string | undefined>()
  context.run('a request', () => executor.tryRun(async () => seen.resolve(context.getStore())))
  t.equal(await seen.promise, undefined)
})
