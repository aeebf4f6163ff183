import { Queue } from 'bullmq'
import t, { type Test } from 'tap'
import { createQueues } from '../../../src/jobs/queues.ts'
import { connectTo, startRedis } from '../../helpers/redis.ts'
import { apiKey, buildTestServer } from '../../helpers/server.ts'

const page = '/admin/queues'
const basic = (key: string, user = 'anybody') => (
  { authorization: `Basic ${Buffer.from(`${user}:${key}`).toString('base64')}` }
)
const bearer = (key: string) => ({ authorization: `Bearer ${key}` })

/** A server with real queues and one waiting job. */
async function start (t: Test) {
  const redis = await connectTo(t, (await startRedis(t)).url)
  const queues = createQueues(redis, () => {})
  t.teardown(() => queues.close())
  await queues.resolve('ver_waiting', 'ver_waiting.1')
  return { ...await buildTestServer(t, { queues }), queues }
}

t.test('the page does not exist unless it is enabled', async t => {
  const { server } = await buildTestServer(t)
  for (const url of [page, `${page}/`, `${page}/api/queues`]) t.equal(
    (await server.inject({ url, headers: basic(apiKey) })).statusCode, 404, url,
  )
})

t.test('the page requires an API key with the scope, as a bearer token or as a password', async t => {
  const { server, lines } = await start(t)
  for (const headers of [basic(apiKey), basic(apiKey, ''), bearer(apiKey)]) {
    const answer = await server.inject({ url: page, headers })
    t.match(answer, { statusCode: 200, headers: { 'content-type': /^text\/html/ } })
    t.notOk('www-authenticate' in answer.headers)
    const { queues } = (await server.inject({ url: `${page}/api/queues`, headers })).json()
    t.same(
      queues.map(({ name, readOnlyMode, counts }: Record<string, any>) => [name, readOnlyMode, counts.waiting]),
      [['resolve', true, 1], ['notify', true, 0], ['sweep', true, 0]],
    )
    const { job } = (await server.inject({ url: `${page}/api/queues/resolve/ver_waiting.1`, headers })).json()
    t.same(job.data, { id: 'ver_waiting' }, 'the data of a job is an id')
  }
  for (
    const url of [
      page, `${page}/`, `${page}/queue/resolve`, `${page}/api/queues`, `${page}/api/redis/stats`,
      `${page}/static/favicon.ico`,
    ]
  ) {
    for (
      const headers of [
        {}, basic('wrong'), basic(''), bearer('wrong'), { authorization: 'Basic ?' }, { authorization: apiKey },
      ]
    ) {
      const answer = await server.inject({ url, headers })
      t.match(
        answer,
        {
          statusCode: 401, headers: { 'www-authenticate': /^Basic realm=/, 'content-type': 'application/problem+json' },
        },
        url,
      )
    }
    t.match(
      await server.inject({ url, headers: basic('vgk_reader') }),
      { statusCode: 403, headers: { 'content-type': 'application/problem+json' } }, 'another scope',
    )
  }
  t.notMatch(lines.join(''), new RegExp(`${apiKey}|${basic(apiKey).authorization.slice(6)}`))
  t.match(
    (await server.inject({ url: '/providers' })).headers['www-authenticate'], 'Bearer',
    'other routes do not make browsers ask for a password',
  )
})

t.test('the page is read-only', async t => {
  const { server, queues } = await start(t)
  const headers = basic(apiKey)
  for (const [method, path] of [
    ['PUT', 'pause'], ['PUT', 'resolve/pause'], ['PUT', 'resolve/empty'], ['PUT', 'resolve/obliterate'], [
      'PUT', 'resolve/retry/failed',
    ], ['PUT', 'resolve/clean/wait'],
    ['POST', 'resolve/add'], ['PUT', 'resolve/ver_waiting.1/clean'], ['PATCH', 'resolve/ver_waiting.1/update-data'],
  ] as const) {
    t.equal(
      (await server.inject({ method, url: `${page}/api/queues/${path}`, headers })).statusCode, 405,
      `${method} ${path}`,
    )
  }
  t.equal(await queues.waiting('resolve'), 1)
  for (const queue of queues.opened) if (queue instanceof Queue) t.equal(await queue.isPaused(), false)
})

t.test('the page has its own files and policy', async t => {
  const { server } = await start(t)
  const headers = basic(apiKey)
  const answer = await server.inject({ url: page, headers })
  const assets = [
    ...answer.body.matchAll(/<(?:script|link)[^>]* (?:src|href)="([^"]+)"/g),
  ].map(([, path]) => path ?? '').filter(path => !path.startsWith('https://fonts.'))
  t.ok(assets.length >= 5)
  for (const path of assets) {
    t.notMatch(path, /^(https?:)?\/\//, 'from this server')
    t.equal((await server.inject({ url: `${page}/${path}`, headers })).statusCode, 200, path)
  }
  t.match(answer.body, `<base href="${page}/"`)
  t.match(
    answer.headers['content-security-policy'],
    /^default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; /,
  )
  t.notMatch(answer.headers['content-security-policy'], /https?:/)
})
