import { join } from 'node:path'
import t, { type Test } from 'tap'
import { request } from 'undici'
import { startChild } from '../../scripts/child.ts'
import { findExecutable } from '../../scripts/install.ts'
import { numberEnding, walk } from '../e2e/end-user.ts'
import { clientOf, keys, startGateway, testApps } from '../helpers/gateway.ts'
import { freePort, until } from '../helpers/redis.ts'

// The servers of examples/sign-up against the gateway with simulated providers.

const cwd = join(import.meta.dirname, '../../examples/sign-up')
const [python, go] = await Promise.all([findExecutable(['python3']), findExecutable(['go'])])
const gateway = await startGateway(t)

type Answer = { status: number, cookie: string, text: string, body: Record<string, any> }

/** A browser with one session. */
function openBrowser (url: string) {
  let cookie = ''
  return async (method: 'GET' | 'POST', path: string, body: object = {}): Promise<Answer> => {
    const answer = await request(`${url}${path}`, {
      method, headers: { cookie, 'content-type': 'application/json' },
      ...method === 'POST' ? { body: JSON.stringify(body) } : {},
    })
    cookie = String(answer.headers['set-cookie'] ?? cookie).split(';')[0] ?? ''
    const text = await answer.body.text()
    const isJson = answer.headers['content-type'] === 'application/json'
    return { status: answer.statusCode, cookie, text, body: isJson ? JSON.parse(text) : {} }
  }
}

/** Where the browser arrives after the operator and the gateway have redirected it. */
async function openOnPhone (url: string): Promise<URL> {
  const arrival = await walk(url)
  const answer = await request(String(arrival?.location))
  await answer.body.dump()
  return new URL(String(answer.headers['location']))
}

async function judge (t: Test, command: string, args: string[]): Promise<void> {
  const port = await freePort()
  const env = { ...process.env, VERIGATE_URL: gateway.url, VERIGATE_API_KEY: keys.shop, PORT: String(port) }
  const child = startChild(command, args, { cwd, env, stdio: 'ignore' })
  t.teardown(() => child.stop(1_000))
  const url = `http://localhost:${port}`
  gateway.app.apps.replace(testApps.map(app => ({ ...app, allowedReturnUrls: [`${url}/`] })))
  const browser = openBrowser(url)
  await until(() => browser('GET', '/').then(({ status }) => status === 200, () => false), 'the example listens')

  const page = await browser('GET', '/')
  t.match(page.text, `${gateway.url}/elements/phone-verification.js`)
  t.match(page.cookie, /^session=./)
  t.match(await browser('POST', '/signed-up'), { status: 403 }, 'nothing was started')
  t.match(await browser('POST', '/sign-up', { phoneNumber: '12' }), { status: 422, body: { detail: /E\.164/ } })
  t.ok((await browser('POST', '/sign-up', [1])).status >= 400, 'a body of another form')

  const phoneNumber = numberEnding('00')
  const started = await browser('POST', '/sign-up', { phoneNumber })
  t.match(started, { status: 201, body: { id: /^ver_/, clientSecret: /^vcs_/ } })
  const { id, clientSecret } = started.body
  t.notMatch(started.text, keys.shop)
  t.match(await browser('POST', '/signed-up'), { status: 403 }, 'not verified yet')
  const frontEnd = clientOf(gateway.url, clientSecret)
  const { body: { nextAction } } = await frontEnd.call('GET', `/verifications/${id}`)
  const returned = await openOnPhone(nextAction.url)
  t.equal(returned.origin, url, 'the browser comes back to the example')
  const code = returned.searchParams.get('code')
  t.match(await frontEnd.call('POST', `/verifications/${id}/check`, { code }), { body: { status: 'verified' } })
  t.match(await openBrowser(url)('POST', '/signed-up'), { status: 403 }, 'another session')
  t.match(await browser('POST', '/signed-up'), { status: 200, body: { phoneNumber, assurance: 3 } })
  t.match(await browser('POST', '/signed-up'), { status: 403 }, 'once')
  t.ok([404, 405].includes((await browser('POST', '/other')).status))
}

// The README promises Node.js 20, which has no `Array.fromAsync`.
const likeNode20 = ['--import', 'data:text/javascript,delete Array.fromAsync']
t.test('Node.js', t => judge(t, process.execPath, [...likeNode20, 'server.mjs']))
t.test('Python', { skip: python === null && 'python3 is not on the PATH' }, t => judge(t, python ?? '', ['server.py']))
t.test('Go', { skip: go === null && 'go is not on the PATH' }, async t => {
  const server = join(t.testdir(), 'server')
  const build = startChild(go ?? '', ['build', '-o', server, 'server.go'], { cwd, stdio: 'ignore' })
  t.equal((await build.ended).code, 0)
  await judge(t, server, [])
})
