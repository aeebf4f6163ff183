import Fastify, { type RouteOptions } from 'fastify'
import t from 'tap'
import { serveDocs } from '../../../src/api/openapi/docs.ts'
import { createDocsServer } from '../../../src/api/openapi/docs-server.ts'
import { buildTestServer } from '../../helpers/server.ts'

type Operation = {
  operationId?: string, security?: object[], requestBody?: { required: boolean },
}
type Document = {
  openapi: string, info: {
    version: string,
  }, tags: { name: string }[], paths: Record<string, Record<string, Operation>>,
  components: { schemas: object },
}

t.test('the document describes every route', async t => {
  const { server } = await buildTestServer(t)
  const document = (await server.inject('/openapi.json')).json<Document>()
  t.equal(document.openapi, '3.1.0')
  t.same(document.tags.map(({ name }) => name), ['Verifications', 'Webhooks', 'Providers', 'Operations', 'Callbacks'])
  t.same(Object.entries(document.paths).flatMap(
    ([path, item]) => Object.keys(item).map(method => `${method} ${path}`),
  ).sort(), [
    'delete /verifications/{id}', 'get /callbacks/{provider}', 'get /callbacks/{provider}/{key}', 'get /livez',
    'get /metrics', 'get /providers', 'get /readyz', 'get /verifications',
    'get /verifications/{id}', 'get /verifications/{id}/events', 'get /webhooks/deliveries',
    'post /callbacks/{provider}', 'post /callbacks/{provider}/{key}', 'post /eligibility', 'post /verifications',
    'post /verifications/{id}/cancel',
    'post /verifications/{id}/check', 'post /verifications/{id}/next', 'post /verifications/{id}/resend',
    'post /webhooks/deliveries/{deliveryId}/replay', 'post /webhooks/test',
  ])
  const operations = Object.values(document.paths).flatMap(item => Object.values(item))
  t.equal(new Set(operations.map(({ operationId }) => operationId)).size, operations.length)
})

t.test('operations have their security and optional bodies', async t => {
  const { server } = await buildTestServer(t)
  const { paths } = (await server.inject('/openapi.json')).json<Document>()
  const both = [{ apiKey: [] }, { clientSecret: [] }]
  t.same(paths['/verifications']?.['post']?.security, [{ apiKey: [] }])
  t.same(paths['/verifications/{id}']?.['get']?.security, both)
  t.same(paths['/verifications/{id}/check']?.['post']?.security, both)
  t.same(paths['/verifications/{id}/events']?.['get']?.security, [...both, { clientSecretInQuery: [] }])
  t.same(paths['/livez']?.['get']?.security, [])
  t.equal(paths['/verifications']?.['post']?.requestBody?.required, true)
  t.equal(paths['/verifications/{id}/check']?.['post']?.requestBody?.required, false)
  t.notOk(JSON.stringify(paths).includes('x-optional-body'))
})

t.test('every reference leads to a schema', async t => {
  const { server } = await buildTestServer(t)
  const { body } = await server.inject('/openapi.json')
  const { components: { schemas } } = JSON.parse(body) as Document
  const names = new Set([...body.matchAll(/"#\/components\/schemas\/(\w+)"/g)].map(([, name]) => name))
  t.same([...names].filter(name => !Object.hasOwn(schemas, name ?? '')), [])
  t.same(Object.keys(schemas).filter(name => !/^[A-Z]\w+$/.test(name)), [])
})

t.test('the documentation has its own files and policy', async t => {
  const { server } = await buildTestServer(t)
  const docs = await server.inject('/docs')
  t.equal(docs.statusCode, 200)
  const assets = [...docs.body.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, path]) => path ?? '')
  t.ok(assets.length >= 5)
  for (const path of [...assets, '/docs/json']) {
    t.match(path, /^\/docs\//, 'from this server')
    t.equal((await server.inject(path)).statusCode, 200, path)
  }
  t.match(docs.headers['content-security-policy'], /script-src 'self'; style-src 'self' 'unsafe-inline'/)
  t.notMatch(docs.headers['content-security-policy'], /https?:|upgrade-insecure-requests/)
  t.match(docs.headers, { 'x-frame-options': 'SAMEORIGIN', 'cross-origin-opener-policy': 'same-origin' })
  t.notMatch(docs.body, /<script(?! src)/, 'no inline script')
  t.equal((await server.inject('/docs/static/../../package.json')).statusCode, 404)
})

t.test('only the sandbox enables "try it out" and stores credentials', async t => {
  for (const sandbox of [true, false]) {
    const { server } = await buildTestServer(t, { sandbox })
    const { body: script } = await server.inject('/docs/static/swagger-initializer.js')
    t.equal(script.includes('"supportedSubmitMethods":[]'), !sandbox)
    t.equal(script.includes(`"persistAuthorization":${sandbox}`), true)
    t.equal((await server.inject('/openapi.json')).body.includes('vgk_sandbox'), sandbox, 'the key of the sandbox')
  }
})

t.test('the API document is rendered once', async t => {
  const route: RouteOptions = { method: 'GET', url: '/example', schema: {}, handler: async () => null }
  const server = await createDocsServer([route], { version: '1', sandbox: false, url: null })
  t.teardown(() => server.close())
  const document = { ...server.swagger() }
  let renderings = 0
  Object.assign(server.swagger(), {
    toJSON () {
      renderings += 1
      return document
    },
  })
  const answers = await Promise.all(['/openapi.json', '/docs/json', '/openapi.json'].map(url => server.inject(url)))
  t.equal(renderings, 1)
  t.equal(new Set(answers.map(({ body }) => body)).size, 1)
  for (const { headers, body } of answers) {
    t.equal(headers['content-type'], 'application/json; charset=utf-8')
    t.strictSame(JSON.parse(body), JSON.parse(JSON.stringify(document)))
  }
})

t.test('the document is loaded again after a failure', async t => {
  const route: RouteOptions = { method: 'GET', url: '/example', schema: {}, handler: async () => null }
  const documented = [route, route]
  const server = Fastify()
  t.teardown(() => server.close())
  serveDocs(server, documented, { version: '1', sandbox: false, url: null })
  t.equal((await server.inject('/openapi.json')).statusCode, 500, 'a route twice cannot be described')
  documented.pop()
  t.match((await server.inject('/openapi.json')).json(), { paths: { '/example': { get: {} } } })
})
