import { createHash } from 'node:crypto'
import t from 'tap'
import { apiErrors } from '../../../src/core/errors.ts'
import { buildTestServer, json } from '../../helpers/server.ts'

t.test('the type of a problem is a page that explains its code', async t => {
  const { server } = await buildTestServer(t, { publicUrl: 'https://verify.example.com' })
  const refused = await server.inject({ method: 'POST', url: '/verifications', headers: json, payload: '{}' })
  const { type } = refused.json()
  t.equal(type, 'https://verify.example.com/problems/unauthenticated')
  const page = await server.inject(new URL(type).pathname)
  t.equal(page.statusCode, 200)
  t.equal(page.headers['content-type'], 'text/html; charset=utf-8')
  t.match(page.body, /<h1>No valid credentials<\/h1>/)
  t.match(page.body, /Authorization: Bearer &lt;API key&gt;/, 'text is escaped')
  t.match(page.body, /&quot;type&quot;: &quot;https:\/\/verify\.example\.com\/problems\/unauthenticated&quot;/)
})

t.test('every code has a page, the list names all, and other codes have none', async t => {
  const { server } = await buildTestServer(t)
  const list = await server.inject('/problems')
  const linked = [...list.body.matchAll(/href="problems\/(\w+)"/g)].map(([, code]) => code)
  t.strictSame(linked, Object.keys(apiErrors))
  for (const [code, { title, status }] of Object.entries(apiErrors)) {
    const { body, statusCode } = await server.inject(`/problems/${code}`)
    t.equal(statusCode, 200, code)
    t.ok(body.includes(`<h1>${title}</h1>`) && body.includes(`HTTP status ${status}`), code)
  }
  t.match((await server.inject('/problems/no_such_code')).json(), { status: 404, code: 'not_found' })
})

t.test('a page runs nothing and loads nothing', async t => {
  const { server } = await buildTestServer(t)
  const { headers, body } = await server.inject('/problems/gone')
  const [, style = ''] = /<style>([^]*?)<\/style>/.exec(body) ?? []
  const hash = createHash('sha256').update(style).digest('base64')
  t.match(headers['content-security-policy'], `default-src 'none'; style-src 'sha256-${hash}'`)
  t.notMatch(body, /<script|https?:\/\/(?!localhost)/)
})

t.test('outside of the sandbox the root is one line that links to the documentation', async t => {
  const { server } = await buildTestServer(t, { publicUrl: 'https://verify.example.com' })
  t.equal((await server.inject('/')).body, 'Verigate. API documentation: https://verify.example.com/docs\n')
  const apart = await buildTestServer(t, { operations: { port: 0, host: '127.0.0.1' } })
  t.notMatch((await apart.server.inject('/')).body, /docs/, 'not served here')
  const sandbox = await buildTestServer(t, { sandbox: true })
  t.not((await sandbox.server.inject('/')).body, 'Verigate. API documentation: http://localhost/docs\n')
})
