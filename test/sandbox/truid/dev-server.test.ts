import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { request } from 'undici'
import { freePort } from '../../helpers/redis.ts'
import { ask, setting, start, startReceiver, until, type Answer } from '../receiver.ts'
import { bearerFor, create, json, type Product } from '../truid-client.ts'

// tru.ID's own example of a server (github.com/tru-ID/dev-server) against the simulator. It is not part of this
// repository: VENDOR_SERVER_DIR names a folder with it, in which its dependencies are installed.

const folder = process.env['VENDOR_SERVER_DIR'] ?? ''
const isThere = existsSync(join(folder, 'src/tru-api.js')) && existsSync(join(folder, 'node_modules/express'))
const skip = isThere ? false : 'VENDOR_SERVER_DIR names no folder with github.com/tru-ID/dev-server, installed'

const matching = '+447700900102'
const other = '+447700900101'
const failing = '+447700900199'
const form = ({ json }: Answer) => json

/** The vendor's server on the simulators, and a phone. */
async function open (t: Parameters<typeof start>[0]) {
  const started = await start(t)
  const { simulators } = started
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  const server = spawn(process.execPath, ['index.js'], {
    cwd: folder, stdio: 'ignore', env: {
      PATH: process.env['PATH'] ?? '', PORT: String(port), DEBUG: 'false',
      API_BASE_URL: setting(simulators, 'TRUID_API_URL'),
      TRU_ID_CLIENT_ID: setting(simulators, 'TRUID_CLIENT_ID'),
      TRU_ID_CLIENT_SECRET: setting(simulators, 'TRUID_CLIENT_SECRET'),
    },
  })
  const ended = once(server, 'exit')
  t.teardown(async () => {
    server.kill('SIGKILL')
    await ended
  })
  const isUp = (): Promise<boolean> => ask(url, 'GET').then(({ status }) => status === 200, () => false)
  while (!await isUp()) if (server.exitCode !== null) throw new Error('the server of tru.ID did not start')

  return {
    ...started, url,
    post: (path: string, body: object) => ask(`${url}${path}`, 'POST', json, body),
    get: (path: string) => ask(`${url}${path}`, 'GET'),
    /** Follows the redirects of the check URL; resolves with the end of them. */
    async walk (place: unknown): Promise<Answer> {
      for (let next = String(place); ;) {
        const answer = await ask(next, 'GET')
        const location = answer.headers.get('location')
        if (location === null) return answer
        next = location
      }
    },
  }
}

t.test('tru.ID\'s own server', { skip }, async t => {
  const { simulators, url, post, get, walk } = await open(t)

  for (const product of ['phone-check', 'subscriber-check']) {
    await t.test(`${product} v0.1`, async t => {
      for (const [phone_number, match] of [[matching, true], [other, false], [failing, undefined]] as const) {
        const { check_id, check_url } = form(await post(`/v0.1/${product}`, { phone_number }))
        await walk(check_url)
        let result: Record<string, unknown> = {}
        // The first query makes tru.ID ask the operator.
        for (let tries = 0; tries < 2; tries += 1) result = form(await get(`/v0.1/${product}?check_id=${check_id}`))
        t.match(result, { check_id, match }, phone_number)
        t.equal('match' in result, match !== undefined)
        if (product === 'subscriber-check') t.equal('no_sim_change' in result, match !== undefined)
      }
    })

    await t.test(`${product} v0.2`, async t => {
      const exchange = `/v0.2/${product}/exchange-code`
      for (const [phone_number, match] of [[matching, true], [other, false]] as const) {
        const native = form(await post(`/v0.2/${product}`, { phone_number }))
        const { code, check_id } = form(await walk(native['check_url']))
        t.match(form(await post(exchange, { check_id, code })), { check_id: native['check_id'], match }, phone_number)
        t.equal((await post(exchange, { check_id, code })).status, 404, 'a code is good once')

        const web = form(await post(`/v0.2/${product}`, { phone_number, redirect_url: `${url}${exchange}` }))
        t.match(form(await walk(web['check_url'])), { check_id: web['check_id'], match }, 'by a redirect')
        t.match(form(await get(`/v0.2/${product}?check_id=${web['check_id']}`)), { match })
      }
      const early = form(await post(`/v0.2/${product}`, { phone_number: matching }))
      t.equal((await post(exchange, { check_id: early['check_id'], code: 'a' })).status, 404, 'before the phone')
      t.equal((await post(`/v0.2/${product}`, { phone_number: '123' })).status, 400)
    })
  }

  await t.test('SIMCheck', async t => {
    t.match(form(await post('/v0.1/sim-check', { phone_number: matching })), { no_sim_change: true })
    t.match(form(await post('/v0.1/sim-check', { phone_number: other })), { no_sim_change: false })
  })

  await t.test('coverage', async t => {
    t.match(form(await get('/country?country_code=GB')), { country_code: 'GB', products: [{ product_id: 'pck' }] })
    t.match(form(await get('/country?country_code=44')), { dialing_code: 44 })
    t.equal((await get('/country?country_code=FJ')).status, 404)
    t.match(form(await get('/device?id_address=82.132.1.1')), { network_id: '23410' })
    t.match(form(await get('/device?id_address=82.132.1.81')), { title: 'Precondition Failed' })
    const { token, url } = form(await get('/coverage-access-token'))
    t.equal((await ask(String(url), 'GET', { authorization: `Bearer ${token}` })).status, 200)
  })

  await t.test('it believes the signatures of callbacks', async t => {
    const answers: number[] = []
    // The signature covers the address that was called, which the vendor's server reads from the header `Host`.
    const receiver = await startReceiver(t, async ({ path, headers, text }) => {
      const { host, date, digest, authorization, 'x-tru-callback': kind } = headers
      const sent = { ...json, host, date, digest, authorization, 'x-tru-callback': kind } as Record<string, string>
      const answer = await request(`${url}${path}`, { method: 'POST', body: text, headers: sent }).catch(() => null)
      await answer?.body.dump()
      answers.push(answer?.statusCode ?? 0)
      return 200
    })
    const bearer = await bearerFor({ simulators, gateway: receiver }, 'phone_check subscriber_check')
    for (const product of ['phone_check', 'subscriber_check'] as Product[]) {
      const body = { phone_number: matching, callback_url: `${receiver.url}/v0.1/phone-check/callback` }
      await create({ simulators, gateway: receiver, bearer }, 'v0.1', body, {}, product)
    }
    await until(() => answers.length === 2)
    t.strictSame(answers, [200, 200])
  })
})
