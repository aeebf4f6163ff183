import { setImmediate as nextIteration } from 'node:timers/promises'
import { Command } from 'ioredis'
import t from 'tap'
import { CommandTimeout } from '../../src/store/commands.ts'
import { connectTo, startCluster, startRedis } from '../helpers/redis.ts'

/** Holds up this process, by default for longer than the timeout of a command. */
const stall = (ms = 1_300): void => { Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms) }
const names = Array.from({ length: 30 }, (_, n) => `key${n}`)

for (const [form, start] of [['standalone', startRedis], ['Cluster', startCluster]] as const) {
  t.test(`${form}: a delay of this process is not one of Redis`, async t => {
    const { url } = await start(t)
    const redis = await connectTo(t, url)
    await Promise.all(names.map(name => redis.set(name, name)))

    const unwritten = names.map(name => redis.get(name))
    stall()
    t.strictSame(await Promise.all(unwritten), names, 'before the commands are written')

    const written = names.map(name => redis.get(name))
    await nextIteration()
    stall()
    t.strictSame(await Promise.all(written), names, 'before the replies are read')
  })
}

t.test('a delay while older commands become due is not one of Redis', async t => {
  const timeout = new CommandTimeout(200)
  const write = async (): Promise<Command> => {
    const command = new Command('ping')
    timeout.watch(command)
    await nextIteration()
    return command
  }
  const older = await write()
  older.resolve('PONG')
  stall(120)
  const command = await write()
  stall(120)
  // The timer of the older one is due, and this runs before the sockets are read again.
  setImmediate(() => stall(500))
  await nextIteration()
  await nextIteration()
  command.resolve('PONG')
  t.equal(await command.promise, 'PONG')
})

t.test('commands that Redis does not answer fail together, and those before and after them do not', async t => {
  const server = await startRedis(t)
  const redis = await connectTo(t, server.url)
  t.equal(await redis.set('a', 'b'), 'OK')
  server.pause()
  const failing = Promise.allSettled(names.map(name => redis.get(name)))
  const startedAt = performance.now()
  const errors = (await failing).map(result => result.status === 'rejected' ? result.reason.message : null)
  t.strictSame(errors, names.map(() => 'Command timed out'))
  t.ok(performance.now() - startedAt >= 999, 'not before their time')
  server.resume()
  t.equal(await redis.get('a'), 'b', 'late replies go to their own commands')
})
