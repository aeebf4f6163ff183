import { once } from 'node:events'
import { createServer, type IncomingMessage, type RequestListener } from 'node:http'
import { createServer as createTcpServer, type AddressInfo, type Server } from 'node:net'
import t, { type Test } from 'tap'
import { allowsAddress } from '../../src/apps/endpoint.ts'
import { createWebhookSender, type Lookup, type Webhook } from '../../src/webhooks/sender.ts'
import { readWebhookUrl } from '../../src/apps/endpoint.ts'
import { signWebhook } from '../../src/webhooks/signature.ts'

const secretOf = (byte: number, length = 32): string => `whsec_${Buffer.alloc(length, byte).toString('base64')}`
const [current, next] = [secretOf(1, 24), secretOf(2, 64)]
const webhook = (more: Partial<Webhook> = {}): Webhook => ({
  url: 'http://127.0.0.1:1/', secrets: [current], webhookId: 'msg_1_5',
  body: '{"type":"verification.verified","data":{"name":"Zoë ☎"}}', now: Date.now(), ...more,
})

async function listen (t: Test, server: Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => { server.close() })
  const address: AddressInfo | string | null = server.address()
  return typeof address === 'object' ? address?.port ?? 0 : 0
}
async function serve (t: Test, answer: RequestListener): Promise<{ url: string, port: number }> {
  const server = createServer(answer)
  t.teardown(() => server.closeAllConnections())
  const port = await listen(t, server)
  return { port, url: `http://127.0.0.1:${port}` }
}
const readText = async (request: IncomingMessage): Promise<string> => Buffer.concat(await request.toArray()).toString()
function open (t: Test, options?: Parameters<typeof createWebhookSender>[0]) {
  const sender = createWebhookSender(options)
  t.teardown(() => sender.close())
  return sender
}
/** A lookup that returns these addresses, one group for each call; the last one for all further calls. */
const resolveTo = (...addresses: string[]): { lookup: Lookup, asked: string[] } => {
  const asked: string[] = []
  return {
    asked,
    lookup: (host, _options, callback) => {
      const address = addresses[Math.min(asked.length, addresses.length - 1)] ?? ''
      asked.push(host)
      callback(null, address.split(',').map(one => ({ address: one, family: one.includes(':') ? 6 : 4 })))
    },
  }
}

t.test('which addresses are allowed', async t => {
  const never = [
    '169.254.169.254', '169.254.0.1', '169.254.255.255', 'fe80::1', 'febf::1', 'fe80::1%eth0',
    '::ffff:169.254.169.254', '::ffff:a9fe:a9fe', '::a9fe:a9fe', '64:ff9b::a9fe:a9fe',
    '100.100.100.200', '::ffff:100.100.100.200', 'fd00:ec2::254', 'fd20:ce::254', '192.0.0.192', '', 'localhost',
    '127.0.0.1.', '0x7f.1',
  ]
  const inner = [
    '127.0.0.1', '127.9.9.9', '10.0.0.1', '172.16.0.1', '172.31.255.255', '192.168.1.1', '::1', 'fc00::1',
    'fd12:3456::1', '::ffff:10.0.0.1',
  ]
  const outer = [
    '1.1.1.1', '172.15.0.1', '172.32.0.1', '192.169.0.1', '11.0.0.1', '100.64.0.1', '0.0.0.0', '2606:4700::1111',
    'fec0::1', '::ffff:1.1.1.1',
  ]
  for (const address of never) t.strictSame(
    [allowsAddress('https:', address), allowsAddress('http:', address)], [false, false], address,
  )
  for (const address of inner) t.strictSame(
    [allowsAddress('https:', address), allowsAddress('http:', address)], [true, true], address,
  )
  for (const address of outer) t.strictSame(
    [allowsAddress('https:', address), allowsAddress('http:', address)], [true, false], address,
  )
})

t.test('an address in the URL is checked in every spelling', async t => {
  const { send } = open(t, { timeoutMs: 2_000 })
  const linkLocal = [
    '169.254.169.254', '169.254.169.254.', '2852039166', '0xa9fea9fe', '0xA9.0xFE.0xA9.0xFE', '0251.0376.0251.0376',
    '0251.254.43518', '169.16689662', '①⑥⑨.254.169.254', '169%2e254.169.254',
    '[fe80::1]', '[FE80:0:0::1]', '[::ffff:169.254.169.254]', '[::ffff:a9fe:a9fe]', '[0:0:0:0:0:ffff:a9fe:a9fe]',
    '[64:ff9b::169.254.169.254]', '[fd00:ec2::254]', '100.100.100.200', '1684301000',
  ]
  for (const host of linkLocal) {
    for (const protocol of ['http', 'https']) t.match(
      await send(webhook({ url: `${protocol}://${host}/latest/meta-data` })),
      { statusCode: null, error: 'address_not_allowed' }, `${protocol} ${host}`,
    )
  }
  for (const host of ['192.0.2.1', '[2001:db8::1]', '0.0.0.0', '3221225985']) t.match(
    await send(webhook({ url: `http://${host}/` })), { error: 'address_not_allowed' }, `http ${host}`,
  )
})

t.test('a host name is checked by the address of the connection', async t => {
  const { port } = await serve(t, (_request, response) => { response.setHeader('connection', 'close').end() })
  const sendTo = (...addresses: string[]) => {
    const { lookup, asked } = resolveTo(...addresses)
    const { send } = open(t, { lookup, timeoutMs: 2_000 })
    return { asked, send: async (protocol = 'http') => send(webhook({ url: `${protocol}://hook.example:${port}/` })) }
  }
  const rebinding = sendTo('127.0.0.1', '169.254.169.254')
  t.match(await rebinding.send(), { statusCode: 200, error: null })
  t.match(
    await rebinding.send(), { statusCode: null, error: 'address_not_allowed' },
    'the second lookup is checked as the first one',
  )
  t.strictSame(rebinding.asked, ['hook.example', 'hook.example'], 'one lookup for each connection')
  t.match(
    await sendTo('192.0.2.1', '169.254.169.254').send(), { error: 'address_not_allowed' }, 'http to a public address',
  )
  for (
    const address of ['fe80::1', '::ffff:a9fe:a9fe', 'fd00:ec2::254', '169.254.1.1']
  ) t.match(await sendTo(address).send('https'), { error: 'address_not_allowed' }, address)
  t.match(
    await sendTo('169.254.169.254,127.0.0.1,192.0.2.1').send(), { statusCode: 200 },
    'only the allowed ones of several',
  )
  t.match(await sendTo('').send(), { error: 'address_not_allowed' })
})

t.test('the request', async t => {
  const seen: { request: IncomingMessage, text: string }[] = []
  const { url } = await serve(t, async (request, response) => {
    seen.push({ request, text: await readText(request) })
    response.writeHead(204).end()
  })
  const { send } = open(t)
  const signed = webhook({ url: `${url}/hooks?token=t#part`, secrets: [current, next] })
  t.match(await send(signed), { statusCode: 204, error: null, retryAfterMs: null })
  const [{ request: { method, url: path, headers } = {}, text } = {}] = seen
  t.match({ method, path, text }, { method: 'POST', path: '/hooks?token=t', text: signed.body })
  t.match(headers, { 'content-type': 'application/json', 'user-agent': 'verigate', ...signWebhook(signed) })
  t.equal(headers?.['content-length'], String(Buffer.byteLength(signed.body)))
})

t.test('the response', async t => {
  let elsewhere = 0
  const answers: Record<string, RequestListener> = {
    '/301': (_request, response) => { response.writeHead(301, { location: '/elsewhere' }).end() },
    '/307': (_request, response) => { response.writeHead(307, { location: '/elsewhere' }).end() },
    '/429': (_request, response) => { response.writeHead(429, { 'retry-after': '7' }).end() },
    '/503': (_request, response) => {
      response.writeHead(503, { 'retry-after': new Date(webhook().now + 60_000).toUTCString() }).end()
    },
    '/410': (_request, response) => { response.writeHead(410).end('gone') },
    '/elsewhere': (_request, response) => { elsewhere += 1; response.end() },
    '/cut': request => { request.socket.destroy() },
  }
  const { url } = await serve(
    t, (request, response) => { request.resume(); answers[request.url ?? '']?.(request, response) },
  )
  const { send } = open(t)
  for (const status of [301, 307, 410]) t.match(
    await send(webhook({ url: `${url}/${status}` })), { statusCode: status, error: null },
  )
  t.equal(elsewhere, 0, 'redirects are not followed')
  const startedAt = performance.now()
  const limited = await send(webhook({ url: `${url}/429` }))
  t.match(limited, { statusCode: 429, retryAfterMs: 7_000 })
  t.ok(limited.durationMs >= 0 && limited.durationMs <= Math.ceil(performance.now() - startedAt))
  const { retryAfterMs } = await send(webhook({ url: `${url}/503` }))
  t.ok(retryAfterMs !== null && retryAfterMs > 55_000 && retryAfterMs < 61_000)
  t.match(await send(webhook({ url: `${url}/cut` })), { statusCode: null, error: 'reset' })
})

t.test('an error below HTTP is one of a closed set', async t => {
  const { port } = await serve(t, () => {})
  const gone = createTcpServer()
  const closedPort = await listen(t, gone)
  gone.close()
  const rubbish = await listen(t, createTcpServer(socket => { socket.on('error', () => {}).end('rubbish\r\n\r\n') }))
  const fails: Lookup = (_host, _options, callback) => {
    callback(Object.assign(new Error('no such host secret.example'), { code: 'ENOTFOUND' }), [])
  }
  const { send } = open(t, { timeoutMs: 300 })
  const nowhere = open(t, { lookup: fails })
  t.match(
    await send(webhook({ url: `http://127.0.0.1:${closedPort}/` })), { statusCode: null, error: 'connection_refused' },
  )
  t.match(await send(webhook({ url: `http://127.0.0.1:${port}/` })), { statusCode: null, error: 'timeout' })
  t.match(await send(webhook({ url: `https://127.0.0.1:${rubbish}/` })), { statusCode: null, error: 'tls' })
  t.match(await send(webhook({ url: `http://127.0.0.1:${rubbish}/` })), { statusCode: null, error: 'bad_response' })
  t.match(await nowhere.send(webhook({ url: 'https://secret.example/' })), { statusCode: null, error: 'dns' })
  for (
    const url of [
      '', 'not a url', 'ftp://127.0.0.1/', 'file:///etc/passwd', 'http://user@127.0.0.1/',
      'http://user:password@127.0.0.1/',
    ]
  ) {
    t.equal(readWebhookUrl(url), null)
    t.match(await send(webhook({ url })), { statusCode: null, error: 'invalid_url' }, url)
  }
})

t.test('a receiver that hangs, responds slowly or sends too much', async t => {
  let sent = 0
  let left = 0
  const { url } = await serve(t, (request, response) => {
    request.resume()
    response.on('close', () => { left += 1 })
    if (request.url === '/hang') return
    response.on('error', () => {}).writeHead(request.url === '/drip' ? 202 : 200)
    const flood = (): void => {
      if (response.destroyed) return
      sent += 65_536
      response.write(Buffer.alloc(65_536), flood)
    }
    if (request.url === '/drip') response.write('.')
    else flood()
  })
  const { send } = open(t, { timeoutMs: 300 })
  const startedAt = performance.now()
  t.match(await send(webhook({ url: `${url}/hang` })), { statusCode: null, error: 'timeout' })
  t.match(await send(webhook({ url: `${url}/drip` })), { statusCode: 202, error: null }, 'the status decides')
  t.match(await send(webhook({ url: `${url}/flood` })), { statusCode: 200, error: null })
  t.ok(performance.now() - startedAt < 2_000)
  while (left < 3) await new Promise(resolve => setImmediate(resolve))
  t.ok(sent < 8 * 1024 * 1024, `${sent} bytes were read`)
})

t.test('closing the sender rejects the running requests', async t => {
  const arrived = Promise.withResolvers<void>()
  const { url } = await serve(t, () => arrived.resolve())
  const sender = createWebhookSender()
  const sending = sender.send(webhook({ url }))
  await arrived.promise
  await Promise.all([t.rejects(sending, { message: 'the webhook sender was closed during a request' }), sender.close()])
})
