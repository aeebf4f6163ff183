import fc from 'fast-check'
import { Command } from 'ioredis'
import t from 'tap'
import { connectTo, startRedis } from '../helpers/redis.ts'

const ownOfLibrary = Command.prototype.toWritable
const { encodeCommand } = await import('../../src/store/commands.ts')

t.test('a command is encoded as ioredis encodes it', async t => {
  const argument = fc.oneof(
    fc.string(), fc.string({ unit: 'binary' }), fc.integer(),
    fc.uint8Array({ maxLength: 300 }).map(bytes => Buffer.from(bytes)),
  )
  fc.assert(fc.property(fc.array(argument, { maxLength: 60 }), args => {
    const command = new Command('evalsha', args)
    return Buffer.from(encodeCommand(command, {})).equals(Buffer.from(ownOfLibrary.call(command, {})))
  }))
  const everyByte = Buffer.from(Array.from({ length: 256 }, (_, n) => n))
  t.strictSame(encodeCommand(new Command('set', ['ключ', everyByte]), {}), Buffer.concat([
    Buffer.from('*3\r\n$3\r\nset\r\n$8\r\nключ\r\n$256\r\n'), everyByte, Buffer.from('\r\n'),
  ]))
})

t.test('Redis gets what was sent, from a busy client as well', async t => {
  const redis = await connectTo(t, (await startRedis(t)).url)
  const values = Array.from({ length: 40 }, (_, n) => Buffer.from(Array.from({ length: 256 }, (_, at) => at ^ n)))
  await Promise.all(values.map((value, n) => redis.set(`ключ${n}`, value)))
  t.strictSame(await Promise.all(values.map((_, n) => redis.getBuffer(`ключ${n}`))), values)
  t.equal(await redis.eval('return ARGV[1] .. ARGV[2]', 0, 'é', Buffer.from('é')), 'éé')
})
