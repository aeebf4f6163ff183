import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import { connect, type AddressInfo, type Socket } from 'node:net'
import { Duplex } from 'node:stream'
import t, { type Test } from 'tap'
import { trustProxies } from '../../../src/api/plugins/client-address.ts'
import { boundIdleConnections } from '../../../src/api/plugins/idle-connections.ts'
import { until } from '../../helpers/redis.ts'

/** A server whose responses to `/wait` end when the test says so. Every address is private here: ten times as many. */
async function start (t: Test, maxPerAddress: number, trusted: string[] = []) {
  const waiting: (() => void)[] = []
  const server: Server = createServer((request, response) => {
    if (request.url === '/wait') waiting.push(() => response.end('late'))
    else response.end('ok')
  })
  boundIdleConnections(server, maxPerAddress, trustProxies(trusted))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  async function open (localAddress = '127.0.0.1'): Promise<Socket> {
    const accepted = once(server, 'connection')
    const socket = connect({ port, host: '127.0.0.1', localAddress })
    socket.on('error', () => {})
    await Promise.all([once(socket, 'connect'), accepted])
    return socket
  }
  const count = () => new Promise<number>((resolve, reject) => {
    server.getConnections((error, open) => error === null ? resolve(open) : reject(error))
  })
  return { open, waiting, server, count }
}

async function ask (socket: Socket, path = '/'): Promise<string> {
  socket.write(`GET ${path} HTTP/1.1\r\nhost: x\r\n\r\n`)
  const [text] = await once(socket, 'data')
  return String(text)
}

t.test('beyond the limit the connection that has been idle longest is closed', async t => {
  const { open, count } = await start(t, 1)
  const sockets: Socket[] = []
  for (let n = 0; n < 10; n += 1) sockets.push(await open())
  const [first, second] = sockets
  if (first === undefined || second === undefined) throw new Error('no sockets')
  t.match(await ask(first), /200 OK/, 'it was idle longest, and is idle again only now')
  const closed = once(second, 'close')
  const last = await open()
  await closed
  await until(async () => await count() === 10, 'only one is closed')
  for (const socket of [first, last]) t.match(await ask(socket), /200 OK/)
})

t.test('an idle connection on which a request was just sent is not closed', async t => {
  const { open, server } = await start(t, 1)
  const sockets: Socket[] = []
  for (let n = 0; n < 10; n += 1) sockets.push(await open())
  const [first] = sockets
  if (first === undefined) throw new Error('no sockets')
  const answered = once(first, 'data')
  first.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n')
  // Before the server can read the request.
  server.emit('connection', Object.assign(new Duplex({ read () {} }), { remoteAddress: '127.0.0.1' }))
  const closed = once(first, 'close').then(() => 'closed')
  t.match(await Promise.race([answered.then(String), closed]), /200 OK/)
  t.match(await Promise.race([ask(first), closed]), /200 OK/, 'and it stays open')
})

t.test('a connection with a request is never closed', async t => {
  const { open, waiting, server, count } = await start(t, 1)
  const busy = await open()
  const answered = once(busy, 'data')
  const requested = once(server, 'request')
  busy.write('GET /wait HTTP/1.1\r\nhost: x\r\n\r\n')
  await requested
  for (let n = 0; n < 12; n += 1) await open()
  await until(async () => await count() === 11, 'ten idle ones and the one with the request')
  waiting[0]?.()
  t.match(String((await answered)[0]), /late/)
})

t.test('each address has its own limit, and a trusted proxy has none', async t => {
  const { open, count } = await start(t, 1, ['127.0.0.3'])
  for (let n = 0; n < 12; n += 1) await open('127.0.0.3')
  t.equal(await count(), 12)
  for (let n = 0; n < 12; n += 1) await open('127.0.0.2')
  for (let n = 0; n < 3; n += 1) await open('127.0.0.1')
  await until(async () => await count() === 25, 'those beyond the limits are closed')
})
