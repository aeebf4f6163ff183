import { gunzipSync, inflateSync } from 'node:zlib'
import t from 'tap'
import { truid as adapterOfTruid } from '../../../src/adapters/truid/index.ts'
import type { AttemptContext } from '../../../src/adapters/adapter.ts'
import { ProviderError } from '../../../src/core/errors.ts'
import { scenarios, variants } from '../../../src/sandbox/scenarios.ts'
import type { Simulator } from '../../../src/sandbox/simulator.ts'
import { truid as simulator } from '../../../src/sandbox/truid/index.ts'
import { anAttempt, askEligibility, callbackKey, openAdapter, openIo } from '../../../src/conformance/index.ts'
import { openContracts, withoutContracts, type Exchange } from '../../helpers/contracts.ts'
import { ask, start } from '../../sandbox/receiver.ts'

// What the adapter sends and what the simulator answers, compared with the descriptions that tru.ID publishes
// (github.com/tru-ID/api-definitions). They are not part of this repository.

const documents = ['tru-id-products.bundled.json', 'tru-id/specs/utils.yaml', 'tru-id/specs/basics.yaml']

/** Mistakes of the documents. */
function amend (schema: Record<string, unknown>): Record<string, unknown> {
  const { oneOf, required, properties, ...others } = schema
  // The branches accept the same body, so that a body that fits matches more than one.
  if (Array.isArray(oneOf)) return { ...schema, oneOf: undefined, anyOf: oneOf }
  // The JSON patch: an array that has the properties of its items.
  if (schema['type'] === 'array' && properties !== undefined) {
    const names = String((required as string[])[0]).split(' ')
    return {
      ...others, minItems: 1, items: { type: 'object', properties, required: names, additionalProperties: false },
    }
  }
  return schema
}
/** Names of formats that no validator knows. */
const formats = {
  'E.164': /^\+?[1-9]\d{6,14}$/, 'Datetime ISO 8601': /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?([+-]\d\d:\d\d|Z)$/,
  'ipv4 | ipv6': /^[\da-f.:]+$/,
}

/** The simulator; what it receives and answers is written down. */
function record (exchanges: Exchange[]): Simulator {
  const unpack = { gzip: gunzipSync, deflate: inflateSync } as const
  return {
    ...simulator,
    async routes (app, options) {
      app.addHook('onSend', async (request, reply, payload) => {
        const coding = reply.getHeader('content-encoding')
        const bytes = payload as string | Buffer | null ?? ''
        const text = coding === 'gzip' || coding === 'deflate' ? unpack[coding](bytes).toString() : String(bytes)
        const { method, url, headers, body } = request
        exchanges.push({
          method, path: url.replace(/\?.*$/, ''), headers, body, status: reply.statusCode,
          answerHeaders: reply.getHeaders(), answer: text.startsWith('{') ? JSON.parse(text) : undefined,
        })
        return payload
      })
      await app.register(simulator.routes, options)
    },
  }
}

const cases = [
  ...scenarios.map(({ suffix, scenario }) => ({
    scenario, digits: '50', suffix: { odd: '01', even: '02' }[suffix as string] ?? suffix,
  })),
  ...variants.filter(({ providers }) => providers.some(name => name === 'truid')),
]
/** These never answer. */
const silent = ['silent', 'rejected', 'startHangs']
/** These answer otherwise than documented, which the adapter must bear. */
const deviating = ['malformed', 'unusual']
/** Statuses of problems, which the documents do not list for every operation. */
const undocumented = [401, 403, 429, 500]
/** Members that the guides and the examples show, and the schemas lack. */
const inGuides = [
  /^POST \/oauth2\/v1\/token 200: .*"id_token"/, /^POST \/phone_check\/.* 201: .*"(_links|snapshot_balance)"/,
  /^GET \/phone_check\/.* 200: .*"ttl"/,
]
/** The operator's redirects, which the phone follows. */
const isOfPhone = ({ path }: Exchange): boolean => path.startsWith('/operator/') || /\/redirect\/[\w-]+$/.test(path)

const numberOf = ({ digits, suffix }: { digits: string, suffix: string }) => `+141555${digits}3${suffix}`
const methods = ['truid.phone_check', 'truid.subscriber_check']

/** The adapter against the simulator, and a user whose phone opens the URL. */
async function openFlows (t: Parameters<typeof start>[0]) {
  const exchanges: Exchange[] = []
  const started = await start(t, { simulators: [record(exchanges)] })
  const { simulators: { url, settings }, gateway } = started
  const adapter = openAdapter(adapterOfTruid, settings, openIo(t, { timeoutMs: 2_000 }))
  const callbackUrl = `${gateway.url}/callbacks/truid/${callbackKey}`
  let serial = 0

  /** Opens the URL as a phone does; resolves with the body at the end, or the query of the redirect out of there. */
  async function walk (place: string): Promise<Record<string, unknown>> {
    for (let next = place; ;) {
      const { json, headers } = await ask(next, 'GET')
      const location = headers.get('location')
      if (location === null) return json
      if (!location.startsWith(url)) return Object.fromEntries(new URL(location).searchParams)
      next = location
    }
  }
  /** An outage is an answer as well. */
  const ignoreOutage = (error: unknown): null => {
    if (error instanceof ProviderError) return null
    throw error
  }
  /** Resolves with what the redirects end in. */
  async function verify (more: Partial<AttemptContext>): Promise<Record<string, unknown>> {
    const attempt = anAttempt({ ...more, id: `att_${serial += 1}`, callbackUrl })
    const begun = await adapter.start(attempt).catch(ignoreOutage)
    if (begun?.action.type !== 'openUrlOnCellular') return {}
    const resolve = (evidence: Record<string, string>) =>
      adapter.resolve({ ...attempt, state: begun.state }, evidence, { repeated: false }).catch(ignoreOutage)
    await resolve({ code: 'too-early' })
    const end = await walk(begun.action.url)
    const { code } = end
    // The suffix 97 needs three tries. In v0.1 the first query makes tru.ID ask the operator.
    for (let tries = 0; tries < 3; tries += 1) await resolve(typeof code === 'string' ? { code } : {})
    return end
  }
  return { url, settings, gateway, adapter, exchanges, verify }
}

/** Compares exchanges with the documents. `problems`: those of requests. `seen`: operations and statuses. */
function createJudge (contracts: Awaited<ReturnType<typeof openContracts>>, exchanges: Exchange[]) {
  const problems: string[] = []
  const seen = new Set<string>()
  /** Requests must be as documented, and answers, unless they deviate. Returns the problems of the answers. */
  function judge (exchange: Exchange, isOfAdapter: boolean): string[] {
    const found = contracts.find(exchange.method, exchange.path)
    if (found === undefined) {
      if (!isOfPhone(exchange)) problems.push(`${exchange.method} ${exchange.path} is not documented`)
      return []
    }
    seen.add(`${found.name} ${exchange.status}`)
    const label = (problem: string): string => `${found.name} ${exchange.status}: ${problem}`
    if (isOfAdapter) problems.push(...contracts.problemsOfRequest(found.operation, exchange).map(label))
    if (!undocumented.includes(exchange.status)) {
      return contracts.problemsOfAnswer(found.operation, exchange).map(label)
    }
    const { type, title, detail } = exchange.answer as Record<string, unknown>
    return [type, title, detail].every(member => typeof member === 'string') ? [] : [label('not a problem document')]
  }
  function takeProblems (isOfAdapter = true): string[] {
    const found = new Set(exchanges.splice(0).flatMap(exchange => judge(exchange, isOfAdapter)))
    return [...found].filter(problem => !inGuides.some(known => known.test(problem)))
  }
  return { problems, seen, judge, takeProblems }
}

t.test('the published description of tru.ID', { skip: withoutContracts(...documents) }, async t => {
  const contracts = await openContracts(documents, { formats, amend })
  const { url, settings, gateway, adapter, exchanges, verify } = await openFlows(t)
  const { problems, seen, judge, takeProblems } = createJudge(contracts, exchanges)

  const redirect = contracts.find('GET', '/phone_check/v0.2/checks/1/redirect')?.operation.responses['302']
  // The vendor's SDKs know `reference_id`, too.
  const problemsOfEnd = ({ reference_id: _id, ...end }: Record<string, unknown>): string[] =>
    contracts.problemsOf(redirect?.content?.['application/hal+json']?.schema, end, true)

  await t.test('each outcome of each product and version', async t => {
    for (const method of methods) for (const version of ['v0.1', 'v0.2']) for (const one of cases) {
      if (silent.includes(one.scenario)) continue
      const phoneNumber = numberOf(one)
      const signals = method === 'truid.phone_check' ? { signals: ['simChange'] } : {}
      const end = await verify({ method, phoneNumber, options: { version, ...signals } })
      if ('check_id' in end) problems.push(...problemsOfEnd(end))
      const deviations = takeProblems()
      if (deviating.includes(one.scenario)) t.not(deviations.length, 0, `${method} ${version} ${one.scenario}`)
      else problems.push(...deviations)
    }
    t.strictSame(problems.splice(0), [])
  })

  await t.test('addresses, and the way back to a page', async t => {
    for (const method of methods) for (const version of ['v0.1', 'v0.2']) for (const one of cases) {
      if (!['verified', 'unsupported', 'notCellular', 'otherDevice'].includes(one.scenario)) continue
      const redirectUrl = `${gateway.url}/callbacks/truid/${callbackKey}`
      for (const ip of ['82.132.1.1', '2a02:8084::1', '82.132.1.81']) {
        const more = { method, phoneNumber: numberOf(one), options: { version }, redirectUrl, device: { ip } }
        await verify(more)
      }
    }
    problems.push(...takeProblems())
    t.strictSame(problems.splice(0), [])
  })

  await t.test('coverage', async t => {
    const numbers = ['+447400123456', '+447700900000', '+6797012345', '+64211234567', '+61412345678', '+3546112345']
    for (const method of methods) for (const phoneNumber of numbers) {
      for (const ip of ['82.132.1.1', '82.132.1.81', '82.132.1.91', '2a02:8084::1']) {
        await askEligibility(adapter, { method, phoneNumber, device: { ip } })
      }
    }
    problems.push(...takeProblems())
    t.strictSame(problems.splice(0), [])
  })

  await t.test('callbacks', async t => {
    const { received } = gateway
    t.ok(received.length > 40, String(received.length))
    for (const method of methods) for (const version of ['v0.1', 'v0.2']) {
      const product = method.slice('truid.'.length)
      const { operation } = contracts.find('POST', `/${product}/${version}/checks`) ?? {}
      const { post } = Object.values(Object.values(operation?.callbacks ?? {})[0] ?? {})[0] ?? {}
      const ofProduct = received.filter(({ headers }) => headers['x-tru-callback'] === product)
      t.ok(ofProduct.length > 0 && post !== undefined)
      for (const { headers, body } of ofProduct) {
        const unusual = body['match'] === null || body['error_code'] === null
        const schema = post?.requestBody?.content['application/json']?.schema
        if (!unusual) problems.push(...contracts.problemsOf(schema, body, true))
        for (const { name, schema } of post?.parameters ?? []) {
          problems.push(...contracts.problemsOf(schema, headers[name.toLowerCase()]).map(text => `${name}: ${text}`))
        }
      }
    }
    t.strictSame(problems.splice(0), [])
  })

  await t.test('what the adapter never sends', async t => {
    const form = { 'content-type': 'application/x-www-form-urlencoded' }
    const pair = Buffer.from(`${settings['TRUID_CLIENT_ID']}:${settings['TRUID_CLIENT_SECRET']}`).toString('base64')
    const scope = encodeURIComponent('phone_check subscriber_check sim_check coverage')
    const { json: { access_token } } = await ask(
      `${url}/oauth2/v1/token`, 'POST', { ...form, authorization: `Basic ${pair}` },
      `grant_type=client_credentials&scope=${scope}`,
    )
    const bearer = { authorization: `Bearer ${access_token}` }
    const json = { ...bearer, 'content-type': 'application/json' }
    const asPatch = { ...bearer, 'content-type': 'application/json-patch+json' }
    const versions = methods.flatMap(
      name => ['v0.1', 'v0.2'].map(version => `${name.slice('truid.'.length)}/${version}`),
    )
    for (const place of [...versions, 'sim_check/v0.1']) {
      const checks = `${url}/${place}/checks`
      const ids: unknown[] = ['none']
      for (const phone_number of ['123', '+6797012345', '+14155550391', '+14155550302']) {
        ids.push((await ask(checks, 'POST', json, { phone_number, reference_id: 'ours' })).json['check_id'])
      }
      for (const id of ids.filter(id => id !== undefined)) {
        for (const path of place.startsWith('sim_check') ? [id] : [id, `${id}/traces`, `${id}/redirect`]) {
          await ask(`${checks}/${path}`, 'GET', bearer)
        }
        const patch = [{ op: 'add', path: '/code', value: 'a' }]
        if (place.endsWith('v0.2')) await ask(`${checks}/${id}`, 'PATCH', asPatch, patch)
      }
    }
    for (const path of ['/coverage/v0.1/device_ip', '/public/coverage/v0.1/device_ip']) {
      await ask(`${url}${path}`, 'GET', bearer)
    }
    problems.push(...takeProblems(false))
    t.strictSame(problems.splice(0), [])
  })

  await t.test('what is not documented is found', async t => {
    await verify({ method: 'truid.phone_check', phoneNumber: '+14155550302' })
    const created = exchanges.find(({ status }) => status === 201)
    const patched = exchanges.find(({ method, status }) => method === 'PATCH' && status === 200)
    if (created === undefined || patched === undefined) throw new Error('no check')
    const { check_id: _id, ...rest } = created.answer as Record<string, unknown>
    const whole = created.answer as Record<string, unknown>
    const found = (of: Exchange, change: Partial<Exchange>): string[] => judge({ ...of, ...change }, true)
      .filter(problem => !inGuides.some(known => known.test(problem))).concat(problems.splice(0))
    t.strictSame([...found(created, {}), ...found(patched, {})], [])
    const changes: [Exchange, Partial<Exchange>, RegExp][] = [
      [created, { answer: rest }, /check_id/], [created, { answer: { ...whole, phone_number: '1' } }, /phone_number/],
      [created, { answer: { ...whole, charge_amount: '1' } }, /charge_amount/],
      [created, { answer: { ...whole, charge_currency: 'XXX' } }, /charge_currency/],
      [created, { answerHeaders: { 'content-type': 'application/hal+json' } }, /no header X-RateLimit-Limit/],
      [created, { answerHeaders: { ...created.answerHeaders, 'content-type': 'text/html' } }, /content type text/],
      [created, { status: 200 }, /status 200/], [created, { path: '/phone_check/v0.3/checks' }, /not documented/],
      [created, { status: 401, answer: { error: 'x' } }, /not a problem/],
      [created, { headers: { ...created.headers, authorization: 'Basic x' } }, /no bearer/],
      [created, { headers: { ...created.headers, 'content-type': 'text/plain' } }, /content type text/],
      [
        created, { body: { phoneNumber: '1' } }, /phoneNumber/,
      ], [created, { body: { phone_number: 1 } }, /phone_number/],
      [patched, { body: { op: 'add', path: '/code', value: 'a' } }, /must be array/],
      [patched, { body: [{ op: 'add', path: '/codes', value: 'a' }] }, /allowedValues/],
      [patched, { body: [{ op: 'add', path: '/code' }] }, /value/],
    ]
    for (const [of, change, problem] of changes) {
      t.match(found(of, change).join('\n'), problem, JSON.stringify(change).slice(0, 80))
    }
    exchanges.splice(0)
  })

  await t.test('all operations and answers were seen', async t => {
    for (const product of ['phone_check', 'subscriber_check']) {
      for (const [version, name] of [['v0.1', 'GET'], ['v0.2', 'PATCH']]) {
        const path = `/${product}/${version}/checks`
        for (const known of [
          `POST ${path} 201`, `POST ${path} 400`, `${name} ${path}/{check_id} 200`,
          `GET ${path}/{check_id}/redirect 302`,
        ]) t.ok(seen.has(known), known)
      }
    }
    for (const known of [
      'POST /sim_check/v0.1/checks 201', 'GET /coverage/v0.1/countries/{code} 200',
      'GET /coverage/v0.1/countries/{code} 404', 'GET /coverage/v0.1/device_ips/{ip} 200',
      'GET /coverage/v0.1/device_ips/{ip} 400', 'GET /coverage/v0.1/device_ips/{ip} 412', 'POST /oauth2/v1/token 200',
    ]) t.ok(seen.has(known), known)
  })
})
