import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { buildOpenapi } from '../scripts/openapi.ts'
import { scopes } from '../src/apps/apps.ts'
import { apiErrors } from '../src/core/errors.ts'
import {
  codesOf, findErrors, isObject, operationsOf, readDocument, visitSchemas, webhooksOf,
} from './helpers/document.ts'
import { redocly } from './helpers/redocly.ts'
import { authorization, buildTestServer } from './helpers/server.ts'

const file = join(import.meta.dirname, '../openapi/openapi.json')
const text = await buildOpenapi()
const document = await readDocument(text)
const operations = operationsOf(document)
const everything = [...operations, ...webhooksOf(document)]

t.test('openapi/openapi.json is up to date; `node scripts/openapi.ts` writes it', async t => {
  t.ok(await readFile(file, 'utf8') === text)
})

t.test('the recommended rules of Redocly', async t => {
  const { stdout } = await redocly('lint', file, '--extends', 'recommended', '--format', 'json')
  t.same(JSON.parse(stdout).problems, [])
})

t.test('every example matches its schema', async t => {
  let count = 0
  const offenders: unknown[] = []
  const check = (schema: unknown, example: unknown, path: string): void => {
    count += 1
    const errors = findErrors(schema, example)
    if (errors.length > 0) offenders.push([path, errors])
  }
  for (const { call, operation: { parameters = [], requestBody, responses } } of everything) {
    for (const { name, schema, example } of parameters) {
      if (example !== undefined) check(schema, example, `${call} ${name}`)
    }
    for (const [place, body] of [['body', requestBody] as const, ...Object.entries(responses)]) {
      for (const { schema, examples } of Object.values(body?.content ?? {})) {
        for (const [name, { value }] of Object.entries(examples ?? {})) check(schema, value, `${call} ${place} ${name}`)
      }
    }
  }
  t.ok(count > 250, `${count} of bodies and responses`)
  const parameters = everything.map(({ operation }) => operation.parameters)
  visitSchemas({ ...document.components.schemas, parameters }, '', (schema, path) => {
    if (Array.isArray(schema['examples'])) for (const example of schema['examples']) check(schema, example, path)
  })
  t.ok(count > 400, `${count} in all`)
  t.same(offenders, [])
})

t.test('everything has a description', async t => {
  const offenders: string[] = []
  const expect = (isMet: boolean, about: string): void => { if (!isMet) offenders.push(about) }
  const ids = everything.map(({ operation }) => operation.operationId)
  t.equal(new Set(ids).size, ids.length)
  for (const { call, operation } of everything) {
    const { summary, description, tags, security, parameters = [], requestBody, responses } = operation
    expect(/^[A-Z][^`]+[^.`]$/.test(summary), `${call}: a summary without Markdown`)
    expect(/^[A-Z`][^]+\.$/.test(description), `${call}: a description`)
    expect(document.tags.some(({ name }) => tags.includes(name)), `${call}: a known tag`)
    expect(Array.isArray(security), `${call}: security`)
    for (const { name, description = '' } of parameters) expect(/^[A-Z`].+\.$/.test(description), `${call}: ${name}`)
    for (const { schema, examples = {} } of Object.values(requestBody?.content ?? {})) {
      const isEmpty = isObject(schema) && /may be absent/.test(String(schema['description']))
      expect(isEmpty || Object.keys(examples).length > 0, `${call}: an example of the body`)
    }
    for (const [status, { description, content = {} }] of Object.entries(responses)) {
      expect(/^[A-Z][^]+\.$/.test(description), `${call}: ${status}`)
      for (const { examples = {} } of Object.values(content)) {
        expect(Object.keys(examples).length > 0, `${call}: an example of ${status}`)
      }
    }
  }
  visitSchemas(document.components.schemas, '', (schema, path) => {
    if (path.split('/').length === 2) expect(Boolean(schema['description']), path)
    if (!path.endsWith('/properties')) return
    for (const [name, property] of Object.entries(schema)) {
      expect(isObject(property) && ('const' in property || Boolean(property['description'])), `${path}/${name}`)
    }
  })
  t.same(offenders, [])
})

t.test('names that generated clients use stay the same', async t => {
  t.same(operations.map(({ operation }) => operation.operationId).sort(), [
    'cancelVerification', 'checkEligibility', 'checkVerification', 'createVerification', 'eraseVerification',
    'followVerification', 'getLiveness', 'getMetrics', 'getReadiness', 'getVerification', 'listDeliveries',
    'listProviders', 'listVerifications', 'receiveCallback', 'receiveKeyedCallback', 'replayDelivery', 'resendMessage',
    'returnFromProvider', 'returnToFixedUri', 'startNextAttempt', 'testWebhook',
  ])
  const { schemas } = document.components
  t.same([
    'VerificationStatus', 'AttemptStatus', 'AvailableAction', 'WorkflowStep', 'Device', 'DeliveryTry', 'ProviderMethod',
    'ErrorCode', 'FieldError', 'Reason', 'NextAction', 'Verification', 'CreatedVerification', 'Problem',
  ].filter(name => !(name in schemas)), [])
  t.equal(JSON.parse(text).components.schemas.CreatedVerification.allOf[0].$ref, '#/components/schemas/Verification')
  // A nested object without a name gets a different one from each generator.
  const unnamed: string[] = []
  visitSchemas(JSON.parse(text).components.schemas, '', (schema, path) => {
    const isNested = /\/(properties|anyOf|items)\/[^/]+$|\/items$/.test(path)
    if (isNested && 'properties' in schema && !('$ref' in schema)) unnamed.push(path)
  })
  t.same(unnamed, [])
})

t.test('words that may grow are open, in responses only', async t => {
  const { schemas } = document.components
  const open = Object.keys(schemas).filter(name => `Known${name}` in schemas)
  t.same(open, [
    'ActionName', 'Binding', 'DeliveryError', 'ErrorCode', 'EvidenceKind', 'IneligibilityReason', 'MessageStatus',
    'Possession', 'Reason',
  ])
  for (const name of open) t.same(schemas[name]?.['anyOf'], [schemas[`Known${name}`], { type: 'string' }], name)
  const requests = JSON.stringify(
    operations.map(({ operation: { requestBody, parameters } }) => [requestBody, parameters]),
  )
  t.notMatch(requests, /Known/)
})

t.test('every error is documented where it can occur, with advice and headers', async t => {
  const documented = new Set<string>()
  const offenders: string[] = []
  const expect = (isMet: boolean, about: string): void => { if (!isMet) offenders.push(about) }
  for (const { call, operation: { security, responses } } of operations) {
    for (const [status, response] of Object.entries(responses)) {
      const { description, headers = {} } = response
      const codes = codesOf(response)
      for (const code of codes) {
        const error = Object.entries(apiErrors).find(([name]) => name === code)?.[1]
        documented.add(code)
        expect(String(error?.status) === status, `${call} ${code}: ${status}`)
        const isProbe = status === '503' && /\/(livez|readyz)$/.test(call)
        expect(
          isProbe || description.includes(`\`${code}\`: ${error?.when} ${error?.advice}`), `${call} ${code}: advice`,
        )
      }
      const isLimited = security.length > 0 && /^2|429/.test(status)
      // Probes return 503 without `retry-after`, and other responses may have it.
      const isDelayed = status === '429' || (status === '503' && codes.length > 0)
      expect('retry-after' in headers || !isDelayed, `${call} ${status} retry-after`)
      for (const [name, isExpected] of [
        ['x-request-id', true], ['www-authenticate', status === '401'],
        ['ratelimit', isLimited], ['ratelimit-policy', isLimited],
        ['ratelimit-limit', isLimited], ['ratelimit-remaining', isLimited], ['ratelimit-reset', isLimited],
      ] as const) expect(name in headers === isExpected, `${call} ${status} ${name}`)
    }
  }
  t.same(offenders, [])
  t.same(
    Object.keys(apiErrors).filter(code => !documented.has(code)), ['method_not_allowed'], 'no operation returns it',
  )
  t.ok(document.info.description.includes('`method_not_allowed`'))
})

t.test('the documented credentials are those that the routes accept', async t => {
  const { server, create } = await buildTestServer(t)
  const { id, clientSecret } = await create()
  const described = JSON.stringify(document.components['securitySchemes'])
  for (const { call, method, path, operation: { security, description } } of operations) {
    const url = path.replace('{id}', id).replace(/\{\w+\}/g, 'x')
    const ask = async (headers: Record<string, string>, query = '') =>
      server.inject({ method: method as 'GET', url: url + query, headers })
    const [anonymous, noScopes] = await Promise.all([ask({}), ask({ authorization: 'Bearer vgk_nobody' })])
    const schemes = security.flatMap(scheme => Object.keys(scheme))
    t.equal(anonymous.statusCode === 401, schemes.length > 0, call)
    if (schemes.length === 0) continue
    t.ok(schemes.includes('apiKey'), call)
    const [scope] = scopes.filter(scope => description.includes(`an API key with the scope \`${scope}\``))
    // The verification belongs to another app than the one without scopes, but scopes are checked first.
    t.equal(noScopes.json().detail, `The key lacks the scope \`${scope}\`.`, call)
    t.match(described, new RegExp(`${scope}\`: [^\\n]*\`${method} ${path.replace(/[{}]/g, '.')}\``), call)
    // An erased verification is 410 only for callers with access.
    await server.inject({ method: 'DELETE', url: `/verifications/${id}`, headers: authorization })
    const isAccepted = async (response: ReturnType<typeof ask>): Promise<boolean> =>
      ![401, 403].includes((await response).statusCode)
    t.equal(await isAccepted(ask({ authorization: `Bearer ${clientSecret}` })), schemes.includes('clientSecret'), call)
    t.equal(await isAccepted(ask({}, `?clientSecret=${clientSecret}`)), schemes.includes('clientSecretInQuery'), call)
  }
})
