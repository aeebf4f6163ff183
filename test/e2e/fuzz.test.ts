import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import t from 'tap'
import { request } from 'undici'
import { simulators as every } from '../../src/sandbox/simulators.ts'
import { clientOf, keys, startGateway } from '../helpers/gateway.ts'
import { numberEnding } from './end-user.ts'

t.setTimeout(120_000)

type Schema = { [name: string]: any }
const document: Schema = JSON.parse(readFileSync(new URL('../../openapi/openapi.json', import.meta.url), 'utf8'))
const read = (schema: Schema): Schema =>
  typeof schema['$ref'] === 'string' ? document['components'].schemas[schema['$ref'].split('/').at(-1) ?? ''] : schema

const operations = Object.entries<Schema>(document['paths']).flatMap(([path, methods]) =>
  Object.entries<Schema>(methods)
    .filter(([method]) => ['get', 'post', 'delete'].includes(method))
    .map(([method, operation]) => ({ path, method: method.toUpperCase(), operation })))

/** Strings that have broken parsers. */
const nasty = fc.constantFrom(
  '', ' ', '0', '-1', '1e309', 'NaN', 'null', '[]', '__proto__', 'constructor', '../../etc/passwd', '%00', '%ff%fe',
  '\u0000', '\ud800', '‮', '𝕏', "' OR 1=1 --",
  '<script>', '${7*7}', 'x'.repeat(9000), 'vcs_', 'ver_', 'whd_x_1', '+14155550102', '+1 415', 'http://[::1]:6379/',
  '2026-02-30T00:00:00Z',
)
const text = fc.oneof(nasty, fc.string({ unit: 'binary', maxLength: 60 }), fc.string({ maxLength: 60 }))
const anything = fc.oneof(text, fc.jsonValue(), fc.constantFrom(1e308, -0, 2 ** 53, 0.1, [], {}, [[[]]], null, true))

/** Values that match the schema, and others; objects have some of the members, and unknown ones. */
function fuzz (schema: Schema, depth = 0): fc.Arbitrary<unknown> {
  const { type, properties, items, anyOf, enum: words, examples, default: fallback } = read(schema)
  const known: unknown[] = [...(words ?? []), ...(examples ?? []), ...(fallback === undefined ? [] : [fallback])]
  const right: fc.Arbitrary<unknown>[] = known.length > 0 ? [fc.constantFrom(...known)] : []
  if (anyOf !== undefined) right.push(...anyOf.map((each: Schema) => fuzz(each, depth + 1)))
  if (properties !== undefined && depth < 5) {
    right.push(
      fc.record(
        Object.fromEntries(Object.entries<Schema>(properties).map(([name, each]) => [name, fuzz(each, depth + 1)])),
        { requiredKeys: [] },
      ),
    )
    right.push(
      fc.dictionary(fc.oneof(fc.constantFrom(...Object.keys(properties), 'surplus'), text), anything, { maxKeys: 4 }),
    )
  }
  if (items !== undefined) right.push(fc.array(fuzz(items, depth + 1), { maxLength: 12 }))
  if (type === 'integer') right.push(fc.integer(), fc.maxSafeInteger())
  if (type === 'string') right.push(text)
  return right.length === 0
    ? anything
    : fc.oneof({ arbitrary: fc.oneof(...right), weight: 4 }, { arbitrary: anything, weight: 1 })
}
const asText = (value: unknown): string => typeof value === 'string' ? value : JSON.stringify(value) ?? ''

t.test('no generated request makes the gateway fail', async t => {
  const gateway = await startGateway(t, { simulatorOptions: { simulators: every } })
  const make = async () => (
    await gateway.shop.create({ phoneNumber: numberEnding('02'), workflow: ['otpless.otp'] })
  ).body
  const made = [await make(), await make()]
  const live = { id: String(made[0]?.['id']), clientSecret: String(made[0]?.['clientSecret']) }
  const foreign = (await gateway.bank.create({ phoneNumber: numberEnding('04'), workflow: ['otpless.otp'] })).body['id']
  const credentials = fc.constantFrom<string | null>(
    `Bearer ${keys.shop}`, `Bearer ${keys.shop}`, `Bearer ${live.clientSecret}`, `Bearer ${keys.reader}`, 'Bearer x',
    'Basic eDp4', null,
  )
  const ids = fc.oneof(
    fc.constantFrom(
      live.id, String(made[1]?.['id']), foreign, `whd_${live.id.slice(4)}_1`, ...every.map(({ provider }) => provider),
    ),
    text,
  )
  const types = fc.constantFrom(
    'application/json', 'application/json', 'application/json', 'text/plain', 'application/json; charset=utf-16',
    'APPLICATION/JSON', 'multipart/form-data', '',
  )
  let sent = 0

  for (const { path, method, operation } of operations) {
    const parameters: Schema[] = (operation['parameters'] ?? []).map(read)
    const within = (place: string) => parameters.filter(parameter => parameter['in'] === place)
    const body = operation['requestBody']?.content?.['application/json']?.schema ?? {}
    const statuses = new Set(Object.keys(operation['responses']).map(Number))
    const input = fc.record({
      credential: credentials, type: types,
      path: fc.tuple(...within('path').map(() => ids)),
      query: fc.dictionary(
        fc.oneof(fc.constantFrom('surplus', ...within('query').map(({ name }) => String(name))), text),
        fc.oneof(anything.map(asText), fc.constantFrom('1', '0', '25')), { maxKeys: 3 },
      ),
      body: method === 'POST'
        ? fc.oneof(
          { arbitrary: fuzz(body).map(value => JSON.stringify(value) ?? ''), weight: 5 },
          { arbitrary: text, weight: 1 },
        )
        : fc.constant(null),
    })
    await fc.assert(fc.asyncProperty(input, async ({ credential, type, path: names, query, body }) => {
      let place = 0
      const url = path.replace(
        /\{[^}]+\}/g, () => encodeURIComponent((names[place++] ?? '').replace(/[\ud800-\udfff]/g, '')) || 'x',
      )
      const asked = new URLSearchParams(Object.entries(query).filter(([name]) => name !== 'wait'))
      const answer = await request(`${gateway.url}${url}?${asked}`, {
        method: method as 'GET', headers: {
          ...(credential === null ? {} : { authorization: credential }),
          ...(body === null || type === '' ? {} : { 'content-type': type }),
        },
        ...(body === null ? {} : { body }), signal: AbortSignal.timeout(20_000),
      })
      sent += 1
      const isStream = String(answer.headers['content-type']).startsWith('text/event-stream')
      if (isStream) answer.body.on('error', () => undefined).destroy()
      const said = isStream ? '' : await answer.body.text()
      const { statusCode } = answer
      if (statusCode >= 500) throw new Error(`${method} ${url} answered ${statusCode}: ${said}`)
      // A generated path may match another route or none, or be too long.
      if (!statuses.has(statusCode) && ![404, 405, 431].includes(statusCode)) throw new Error(
        `${method} ${path} answered ${statusCode}, which is not documented`,
      )
      if (
        statusCode >= 400 && answer.headers['content-type'] !== 'application/problem+json'
      ) throw new Error(`${statusCode} as ${answer.headers['content-type']}`)
      if (
        /\bat .+:\d+:\d+|node_modules|fastify|ioredis/i.test(said) && !path.startsWith('/openapi')
      ) throw new Error(`${method} ${path} reveals internals`)
    }), { numRuns: method === 'POST' ? 60 : 30, endOnFailure: true })
    t.pass(`${method} ${path}`)
  }
  t.ok(sent >= 30 * operations.length, `${sent} requests`)
  t.equal((await clientOf(gateway.url, null).call('GET', '/readyz')).status, 200, 'the gateway still works')
  t.strictSame(gateway.logs.filter(line => JSON.parse(line).level >= 50), [], 'no internal errors')
})
