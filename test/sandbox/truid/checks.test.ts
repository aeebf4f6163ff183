import t from 'tap'
import { retryDelaysMs } from '../../../src/sandbox/truid/checks.ts'
import { createTruid } from '../../../src/sandbox/truid/index.ts'
import { until } from '../receiver.ts'
import { bearerFor, bring, build, create, fragment, get, patch, walk } from '../truid-client.ts'

t.test('a check that is not finished in 120 s is EXPIRED, and says so', async t => {
  let now = Date.now()
  const started = await build(t, { now: () => now })
  const callback_url = `${started.gateway.url}/hook`
  const visited = (await create(started, 'v0.2', { phone_number: '447700900000', callback_url })).json['check_id']
  const { end: { json: { code } } } = await walk(started, visited)
  now += 119_999
  t.match((await get(started, 'v0.2', visited)).json, { status: 'PENDING' })
  now += 1
  const [callback] = await started.gateway.first(1)
  t.match(callback?.body, { check_id: visited, status: 'EXPIRED' })
  t.notOk('match' in (callback?.body ?? {}))
  t.match((await get(started, 'v0.2', visited)).json, { status: 'EXPIRED' })
  t.equal((await patch(started, visited, bring(code))).status, 404)
  t.equal((await walk(started, visited)).end.status, 404)
  now += 8 * 86_400_000
  const later = { ...started, bearer: await bearerFor(started, 'phone_check') }
  t.equal((await get(later, 'v0.2', visited)).status, 404, 'forgotten')
})

t.test('an end that comes after the time is no end', async t => {
  let now = Date.now()
  const started = await build(t, { now: () => now, slowMs: 60 })
  const { json: { check_id: id } } = await create(started, 'v0.2', { phone_number: '447700900093' })
  const walking = walk(started, id)
  await until(() => started.simulators.requests.some(({ path }) => /redirect\/./.test(path)))
  now += 120_000
  await get(started, 'v0.2', id)
  t.equal((await walking).end.status, 404)
})

t.test('the callback is retried as documented, with a signature of its own', async t => {
  t.strictSame(retryDelaysMs, [10_000, 20_000, 30_000, 40_000, 50_000, 60_000])
  const errors: string[] = []
  const started = await build(t, { answer: () => 500, retryScale: 0.0001, onError: message => errors.push(message) })
  await create(started, 'v0.1', { phone_number: '447700900000', callback_url: `${started.gateway.url}/hook` })
  await until(() => errors.length > 0)
  t.equal(started.gateway.received.length, 7)
  t.ok(started.gateway.received.every(({ headers }) => String(headers['authorization']).startsWith('Signature ')))
  t.match(errors, [/^truid callback given up after 7 tries/])
})

t.test('hex digests on demand', async t => {
  const started = await build(t, { simulators: [createTruid({ signatureForm: 'hexDigest' })] })
  await create(started, 'v0.1', { phone_number: '447700900000', callback_url: `${started.gateway.url}/hook` })
  t.match((await started.gateway.first(1))[0]?.headers['digest'], /^SHA-256=[0-9a-f]{64}$/)
})

t.test('scenarios of the start call', async t => {
  const started = await build(t)
  t.equal((await create(started, 'v0.2', { phone_number: '447700900096' })).status, 500)
  const malformed = await create(started, 'v0.1', { phone_number: '447700900098' })
  t.equal(malformed.status, 201)
  t.notOk('check_id' in malformed.json || '_links' in malformed.json)
})

t.test('scenarios that end in ERROR: no match, an error code, and a callback', async t => {
  const started = await build(t, { handsetDelayMs: 1000 })
  const callback_url = `${started.gateway.url}/hook`
  for (const [suffix, code] of [['99', 'mno_server_error'], ['91', 'mno_not_supported']]) {
    for (const version of ['v0.1', 'v0.2'] as const) {
      const { json: { check_id: id } } = await create(
        started, version, { phone_number: `4477009000${suffix}`, callback_url },
      )
      const { hops, end } = await walk(started, id, version)
      t.equal(hops.length, 3)
      if (version === 'v0.2') t.match(
        end, { status: 200, json: { check_id: id, error: code, error_description: String } },
      )
      else if (suffix === '91') t.equal(fragment(end), 'mno_not_supported')
      else t.match(end, { status: 200, text: '' })
      const about = () => started.gateway.received.find(({ body }) => body['check_id'] === id)?.body
      await until(() => about() !== undefined)
      for (const seen of [about() ?? {}, (await get(started, version, id)).json]) {
        t.match(seen, { status: 'ERROR', error_code: code })
        t.notOk('match' in seen)
      }
      if (version === 'v0.2') t.equal((await patch(started, id, bring('any'))).status, 404)
    }
  }
})

t.test('silence: the walk never ends, the check neither, until its time is over', async t => {
  let now = Date.now()
  const started = await build(t, { now: () => now })
  const callback_url = `${started.gateway.url}/hook`
  for (const suffix of ['92', '90']) {
    const { json: { check_id: id } } = await create(
      started, 'v0.2', { phone_number: `4477009000${suffix}`, callback_url },
    )
    const before = started.simulators.requests.length
    void walk(started, id).catch(() => {})
    await until(() => started.simulators.requests.length === before + 4)
    t.match((await get(started, 'v0.2', id)).json, { status: 'PENDING' })
    t.equal((await patch(started, id, bring('any'))).status, 404)
  }
  const alone = (await create(started, 'v0.1', { phone_number: '447700900092', callback_url })).json['check_id']
  await until(async () => (await get(started, 'v0.1', alone)).json['status'] === 'PENDING')
  now += 120_000
  t.match((await get(started, 'v0.1', alone)).json, { status: 'EXPIRED' })
  await create(started, 'v0.1', { phone_number: '447700900000', callback_url })
  await started.gateway.first(1)
  t.match(started.gateway.received, [{ body: { status: 'COMPLETED' } }], 'no callback for the silent ones')
})

t.test('other scenarios', async t => {
  const started = await build(t, { slowMs: 100 })
  const callback_url = `${started.gateway.url}/hook`
  async function walked (suffix: string) {
    const { json: { check_id: id } } = await create(
      started, 'v0.2', { phone_number: `4477009000${suffix}`, callback_url },
    )
    const begunAt = performance.now()
    const { end: { json: { code } } } = await walk(started, id)
    const walkedMs = performance.now() - begunAt
    const callbacks = () => started.gateway.received.filter(({ body }) => body['check_id'] === id).length
    return {
      walkedMs, callbacks, result: () => get(started, 'v0.2', id), finish: () => patch(started, id, bring(code)),
    }
  }
  const odd = await walked('01')
  t.match((await odd.finish()).json, { status: 'COMPLETED', match: false })
  const flaky = await walked('97')
  t.equal((await flaky.result()).status, 500)
  t.equal((await flaky.finish()).status, 500)
  t.match(await flaky.finish(), { status: 200, json: { match: true } })
  const slow = await walked('93')
  t.ok(slow.walkedMs >= 95)
  t.match((await slow.finish()).json, { match: true })
  const reordered = await walked('95')
  await reordered.finish()
  t.equal(reordered.callbacks(), 1, 'the callback is there before the answer')
  const repeated = await walked('94')
  await repeated.finish()
  await until(() => repeated.callbacks() === 3)
})
