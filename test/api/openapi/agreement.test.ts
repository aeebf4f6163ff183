import { Ajv2020 } from 'ajv/dist/2020.js'
import t from 'tap'
import { isObject, operationsOf, readDocument, type Json } from '../../helpers/document.ts'
import { authorization, buildTestServer } from '../../helpers/server.ts'

/** Compares the verdict of the server with that of Ajv, which knows nothing but the document. */
const ajv = new Ajv2020({ strict: false, validateFormats: false })
const operations = operationsOf(await readDocument())

/** Values that many schemas refuse; `undefined` leaves the member out. */
const anywhere = [
  undefined, null, true, 0, -1, 1.5, 1e20, '', ' ', '5', 'a', 'é', '\n', '\u0000', '\u007f', 'x y', [], {}, ['a'],
  { a: 'b' }, [null],
]
const strings = [
  'a.b', 'A.b', 'otpless.otp', 'a-1.b', 'a-.b', 'en', 'en_GB', 'e', 'en-', 'https://app.example/x', 'app:/x', 'app:x',
  'https://app.example/ x', '1.2.3.4', '::1', '[::1]:80', 'host', '+14155550100', 'a\tb', 'a\u000bb', '~', '"',
  '\u0080',
]
const around = (...bounds: unknown[]): number[] =>
  bounds.filter(bound => typeof bound === 'number').flatMap(bound => [bound - 1, bound, bound + 1])
const lengths = (...bounds: unknown[]): number[] => around(...bounds).filter(length => length >= 0)

/** Values on both sides of each bound of the schema. */
function boundaries (schema: Json): unknown[] {
  const { minLength, maxLength, minimum, maximum, minItems, maxItems, items, maxProperties, propertyNames } = schema
  const names = isObject(propertyNames) ? propertyNames : {}
  const [member] = isObject(schema['additionalProperties']) ? allowed(schema['additionalProperties']) : ['a']
  return [
    ...lengths(minLength, maxLength).flatMap(length => ['a'.repeat(length), '𝕏'.repeat(length)]),
    ...around(minimum, maximum),
    ...lengths(minItems, maxItems).map(length => Array.from({ length }, () => allowed(items)[0])),
    ...lengths(maxProperties).map(length =>
      Object.fromEntries(Array.from({ length }, (_, at) => [`k${at}`, member]))),
    ...lengths(names['minLength'], names['maxLength']).map(length => ({ ['k'.repeat(length)]: member })),
    ...(isObject(schema['additionalProperties']) ? probesOf(schema['additionalProperties']).map(a => ({ a })) : []),
  ]
}

/** A value that the schema allows. */
const allowed = (schema: unknown): unknown[] => {
  if (!isObject(schema)) return []
  const { examples, enum: words, anyOf } = schema
  if (Array.isArray(anyOf)) return anyOf.flatMap(allowed)
  return [...Array.isArray(examples) ? examples : [], ...Array.isArray(words) ? words : []]
}

const branchesOf = (schema: Json): Json[] =>
  Array.isArray(schema['anyOf']) ? [schema, ...schema['anyOf'].filter(isObject).flatMap(branchesOf)] : [schema]
const probesOf = (schema: Json): unknown[] => branchesOf(schema).flatMap(
  branch => [...anywhere, ...strings, ...allowed(branch), ...boundaries(branch)],
)

/** The values with one member replaced, at any depth. */
function variants (schema: Json, value: unknown): unknown[] {
  const inMembers = branchesOf(schema).flatMap(
    ({ properties }) => Object.entries(isObject(properties) ? properties : {}),
  )
    .flatMap(([name, property]) => {
      const own = isObject(value) ? value : {}
      return isObject(property) ? variants(property, own[name]).map(one => ({ ...own, [name]: one })) : []
    })
  const inItems = branchesOf(schema).flatMap(({ items }) => isObject(items) ? variants(items, undefined) : [])
  return [...probesOf(schema), ...inMembers, { ...isObject(value) ? value : {}, surplus: 1 },
    ...inItems.filter(item => item !== undefined).map(item => [item])]
}

/** Objects with the required members, and with all. */
const basesOf = (schema: Json): Json[] => branchesOf(schema).flatMap(({ properties, required }) => {
  const all = Object.entries(isObject(properties) ? properties : {}).flatMap(([name, property]) => {
    const [value] = allowed(property)
    return value === undefined ? [] : [[name, value] as const]
  })
  const isRequired = (name: string): boolean => Array.isArray(required) && required.includes(name)
  return [Object.fromEntries(all.filter(([name]) => isRequired(name))), Object.fromEntries(all)]
})

const bodyLimit = 64 * 1024

t.test('the server refuses a body if and only if the document does', async t => {
  let now = 0
  const { server, create } = await buildTestServer(t, { now: () => now += 60_000 })
  const { id } = await create()
  let [accepted, refused] = [0, 0]
  for (const { call, method, path, operation } of operations) {
    const schema = operation.requestBody?.content['application/json']?.schema
    if (!isObject(schema) || operation.security.length === 0) continue
    const isAllowed = ajv.compile(schema)
    const bodies = basesOf(schema).flatMap(base => variants(schema, base)).filter(body => body !== undefined)
    const offenders: unknown[] = []
    for (const text of new Set(bodies.map(body => JSON.stringify(body)))) {
      if (Buffer.byteLength(text) > bodyLimit) continue
      const { statusCode } = await server.inject({
        method: method as 'POST', url: path.replace('{id}', id).replace('{deliveryId}', 'x'), payload: text,
        headers: { ...authorization, 'content-type': 'application/json' },
      })
      const isRefused = statusCode === 400
      if (isRefused) refused += 1
      else accepted += 1
      if (isRefused === isAllowed(JSON.parse(text))) offenders.push([statusCode, text.slice(0, 200)])
    }
    t.same(offenders.slice(0, 5), [], call)
  }
  t.ok(accepted > 200 && refused > 1000, `${accepted} accepted, ${refused} refused`)
})

t.test('the server refuses a query and a header if and only if the document does', async t => {
  let now = 0
  const { server, create } = await buildTestServer(t, { now: () => now += 60_000 })
  const { id } = await create()
  // A final verification: nothing waits for it.
  await server.inject({ method: 'POST', url: `/verifications/${id}/cancel`, headers: authorization })
  let [accepted, refused] = [0, 0]
  for (const { call, method, path, operation: { parameters = [], security } } of operations) {
    if (security.length === 0) continue
    for (const { name, in: place, schema } of parameters.filter(parameter => parameter.in !== 'path')) {
      const isAllowed = ajv.compile(schema)
      const texts = probesOf(schema).filter(value => typeof value === 'string' || typeof value === 'number').map(String)
      const offenders: unknown[] = []
      for (const text of new Set(texts)) {
        // Clients cannot send other characters in a header, and remove white space around its value.
        if (place === 'header' && /[^ -~]|^ | $|^$/.test(text)) continue
        const isInteger = schema['type'] === 'integer' && /^-?(0|[1-9]\d*)$/.test(text)
        // A list needs one of two criteria.
        const others = path === '/verifications' && name === 'limit' ? { reference: 'x' } : {}
        const query = new URLSearchParams(place === 'query' ? { ...others, [name]: text } : {})
        const { statusCode } = await server.inject({
          method: method as 'GET', url: `${path.replace('{id}', id)}?${query}`,
          headers: { ...authorization, ...place === 'header' ? { [name]: text } : {} },
          ...method === 'POST' ? { payload: {} } : {},
        })
        const isRefused = statusCode === 400
        if (isRefused) refused += 1
        else accepted += 1
        if (isRefused === isAllowed(isInteger ? Number(text) : text)) offenders.push([statusCode, text.slice(0, 200)])
      }
      t.same(offenders.slice(0, 5), [], `${call} ${name}`)
    }
  }
  t.ok(accepted > 100 && refused > 100, `${accepted} accepted, ${refused} refused`)
})
