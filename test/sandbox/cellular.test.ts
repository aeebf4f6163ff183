import t from 'tap'
import Fastify from 'fastify'
import type { Simulator } from '../../src/sandbox/simulator.ts'
import { ask, start } from './receiver.ts'

const json = { 'content-type': 'application/json' }

/** An operator whose redirects work only with its cookies. */
const operator: Simulator = {
  provider: 'acme',
  settings: () => ({}),
  async routes (app) {
    app.get('/first', async (_request, reply) => reply.header('set-cookie', 'a=1; Path=/').redirect('/second'))
    app.get('/second', async (_request, reply) => reply.headers({ 'set-cookie': 'b=2' }).redirect('/third'))
    app.get('/third', async request => ({ cookie: request.headers.cookie }))
    app.get('/round', async (_request, reply) => reply.redirect('/round'))
    app.get('/away', async (_request, reply) => reply.redirect('http://127.0.0.1:1/elsewhere?code=7'))
    app.get('/part', async (_request, reply) => reply.redirect('/home?to=http://127.0.0.1:1/elsewhere#code=8'))
    app.get('/page', async (_request, reply) => reply.redirect('/third#code=9'))
    app.get('/refused', async (_request, reply) => reply.code(412).send({ title: 'Not a mobile IP' }))
    app.get('/broken', async (_request, reply) => {
      reply.raw.destroy()
      return reply.hijack()
    })
    app.get('/home', async (request, reply) => reply.redirect(String(Object(request.query)['to'])))
  },
}

t.test('the phone follows the redirects of the operator with cookies', async t => {
  const { simulators: { url, requests } } = await start(t, { simulators: [operator] })
  const open = (body: object) => ask(`${url}/handset/cellular`, 'POST', json, body)
  t.match((await open({ url: `${url}/first` })).json, {
    status: 200, location: null, body: '{"cookie":"a=1; b=2"}', code: null,
  })
  t.match((await open({ url: `${url}/refused` })).json, { status: 412, location: null, body: /Not a mobile IP/ })
  t.match((await open({ url: `${url}/away` })).json, {
    status: 302, location: 'http://127.0.0.1:1/elsewhere?code=7', code: '7',
  })
  t.match((await open({ url: `${url}/part` })).json, {
    status: 302, location: 'http://127.0.0.1:1/elsewhere#code=8', code: '8',
  }, 'a fragment stays, as in browsers')
  t.match((await open({ url: `${url}/page` })).json, { status: 200, location: null, code: '9' })
  t.match((await open({ url: `${url}/round` })).json, { status: 302, location: `${url}/round` }, 'not for ever')
  t.equal((await open({ url: `${url}/broken` })).status, 504)
  t.strictSame(requests.slice(0, 3).map(({ path }) => path), ['/first', '/second', '/third'])
})

t.test('it opens the simulators and the callbacks of the gateway, and nothing else', async t => {
  const gateway = Fastify({ forceCloseConnections: true })
  gateway.get(
    '/callbacks/acme/key', async (_request, reply) => reply.code(303).redirect('http://shop.example/done?code=1'),
  )
  const gatewayUrl = await gateway.listen({ port: 0 })
  t.teardown(() => gateway.close())
  const { simulators: { url } } = await start(t, { simulators: [operator], gatewayUrl })
  const open = (body: object) => ask(`${url}/handset/cellular`, 'POST', json, body)
  const home = `${url}/home?to=${encodeURIComponent(`${gatewayUrl}/callbacks/acme/key`)}`
  t.match((await open({ url: home })).json, { location: 'http://shop.example/done?code=1' })
  for (
    const other of [`${gatewayUrl}/verifications`, 'http://169.254.169.254/', 'http://localhost:1/', 'file:///etc/x']
  ) {
    t.equal((await open({ url: other })).status, 400, other)
  }
})
