import { readFile } from 'node:fs/promises'
import { gunzipSync } from 'node:zlib'
import t from 'tap'
import { buildTestServer } from '../../helpers/server.ts'

const url = '/elements/phone-verification.js'
const text = await readFile(new URL('../../../packages/element/dist/phone-verification.js', import.meta.url), 'utf8')

t.test('every page can load the element', async t => {
  const { server } = await buildTestServer(t)
  const { statusCode, headers, body } = await server.inject({ url, headers: { origin: 'https://anything.example' } })
  t.equal(statusCode, 200)
  t.equal(body, text)
  t.hasStrict(headers, {
    'content-type': 'text/javascript; charset=utf-8', 'access-control-allow-origin': '*',
    'cross-origin-resource-policy': 'cross-origin', 'x-content-type-options': 'nosniff',
    'cache-control': 'public, max-age=3600, stale-while-revalidate=86400', vary: 'accept-encoding',
  })
  t.match(headers.etag, /^"[\w-]{22}"$/, 'a strong ETag')
  t.notOk('content-encoding' in headers)
  t.equal((await server.inject({ url, method: 'HEAD' })).headers['content-length'], String(Buffer.byteLength(text)))
})

t.test('it is sent zipped to clients that read that', async t => {
  const { server } = await buildTestServer(t)
  const ask = (coding: string) => server.inject({ url, headers: { 'accept-encoding': coding } })
  const plain = await ask('identity')
  for (const coding of ['gzip', 'gzip, deflate, br, zstd', 'br;q=1.0, gzip;q=0.8']) {
    const { headers, rawPayload } = await ask(coding)
    t.equal(headers['content-encoding'], 'gzip', coding)
    t.equal(gunzipSync(rawPayload).toString(), text)
    t.not(headers.etag, plain.headers.etag, 'other bytes have another ETag')
  }
  for (const coding of ['', 'br', 'gzip;q=0', 'gzip; q=0.0, br', 'x-gzipped']) {
    t.notOk('content-encoding' in (await ask(coding)).headers, coding)
  }
})

t.test('a browser that has it is told so', async t => {
  const { server } = await buildTestServer(t)
  const { headers: { etag } } = await server.inject({ url })
  for (const known of [etag, `"other", ${etag}`, `W/${etag}`, '*']) {
    const { statusCode, headers, body } = await server.inject({ url, headers: { 'if-none-match': String(known) } })
    t.strictSame([statusCode, body], [304, ''], String(known))
    t.hasStrict(headers, { etag, 'access-control-allow-origin': '*' })
  }
  t.equal((await server.inject({ url, headers: { 'if-none-match': '"other"' } })).statusCode, 200)
})

t.test('a worker does not serve it', async t => {
  const { server } = await buildTestServer(t, { role: 'worker' })
  t.equal((await server.inject({ url })).statusCode, 404)
})
