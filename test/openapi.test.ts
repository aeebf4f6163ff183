import { createConfig, lintFromString } from '@redocly/openapi-core'
import { readFile } from 'node:fs/promises'
import t from 'tap'
import { buildOpenapi } from '../scripts/openapi.ts'
import { scopes } from '../src/apps/apps.ts'
import { apiErrors } from '../src/core/errors.ts'
import {
  codesOf, findErrors, isObject, operationsOf, readDocument, visitSchemas, webhooksOf,
} from './helpers/document.ts'
import { authorization, buildTestServer } from './helpers/server.ts'

const text = await buildOpenapi()
const document = await readDocument(text)
const operations = operationsOf(document)
const everything = [...operations, ...webhooksOf(document)]

t.test('openapi/openapi.json is what the routes say: `node scripts/openapi.ts` writes it', async t => {
  t.ok(await readFile(new URL('../openapi/openapi.json', import.meta.url), 'utf8') === text, 'it is not stale')
})

t.test('the recommended rules of Redocly', async t => {
  const problems = await lintFromString(
    { source: text, absoluteRef: 'openapi.json', config: await createConfig({ extends: ['recommended'] }) },
  )
  t.same(problems.map(({ ruleId, message, location }) => [ruleId, message, location[0]?.pointer]), [])
})

t.test('examples are examples', async t => {
  let count = 0
  const check = (schema: unknown, example: unknown, path: string): void => {
    count += 1
    t.same(findErrors(schema, example), [], path)
  }
  for (const { call, operation: { parameters = [], requestBody, responses } } of everything) {
    for (
      const { name, schema, example } of parameters
    ) if (example !== undefined) check(schema, example, `${call} ${name}`)
    const bodies = [['body', requestBody] as const, ...Object.entries(responses)]
    for (const [place, body] of bodies) {
      for (const { schema, examples } of Object.values(body?.content ?? {})) {
        for (const [name, { value }] of Object.entries(examples ?? {})) check(schema, value, `${call} ${place} ${name}`)
      }
    }
  }
  t.ok(count > 250, `${count} of bodies and answers`)
  visitSchemas({
    ...document.components.schemas, parameters: everything.map(({ operation }) => operation.parameters),
  }, '', (schema, path) => {
    if (Array.isArray(schema['examples'])) for (const example of schema['examples']) check(schema, example, path)
  })
  t.ok(count > 400, `${count} in all`)
})

t.test('nothing is left without a word', async t => {
  const ids = everything.map(({ operation }) => operation.operationId)
  t.equal(new Set(ids).size, ids.length)
  for (const { call, operation } of everything) {
    const { summary, description, tags, security, parameters = [], requestBody, responses } = operation
    t.match(summary, /^[A-Z][^`]+[^.`]$/, `${call}: a summary, which is no Markdown`)
    t.match(description, /^[A-Z`][^]+\.$/, `${call}: a description`)
    t.ok(document.tags.some(({ name }) => tags.includes(name)), `${call}: a known tag`)
    t.ok(Array.isArray(security), `${call}: who may call it`)
    for (const { name, description = '' } of parameters) t.match(description, /^[A-Z`].+\.$/, `${call}: ${name}`)
    for (const { schema, examples = {} } of Object.values(requestBody?.content ?? {})) {
      t.ok(
        Object.keys(examples).length > 0 || (isObject(schema) && /may be absent/.test(String(schema['description']))),
        `${call}: an example of its body`,
      )
    }
    for (const [status, { description, content = {} }] of Object.entries(responses)) {
      t.match(description, /^[A-Z][^]+(\.|: send traffic, or do not)$/, `${call}: ${status}`)
      for (const { examples = {} } of Object.values(content)) t.ok(
        Object.keys(examples).length > 0, `${call}: an example of ${status}`,
      )
    }
  }
  visitSchemas(document.components.schemas, '', (schema, path) => {
    if (path.split('/').length === 2) t.ok(schema['description'], path)
    if (!path.endsWith('/properties')) return
    for (const [name, property] of Object.entries(schema)) {
      t.ok(isObject(property) && ('const' in property || property['description']), `${path}/${name}`)
    }
  })
})

t.test('every error is told where it can happen, with what helps', async t => {
  const told = new Set<string>()
  for (const { call, operation: { security, responses } } of operations) {
    for (const [status, response] of Object.entries(responses)) {
      const { description, headers = {} } = response
      for (const code of codesOf(response)) {
        const error = Object.entries(apiErrors).find(([name]) => name === code)?.[1]
        if (error === undefined) throw new Error(code)
        told.add(code)
        t.equal(String(error.status), status, `${call} ${code}`)
        if (status !== '503' || !/\/(livez|readyz)$/.test(call)) t.ok(
          description.includes(`\`${code}\`: ${error.when} ${error.advice}`), `${call} ${code}`,
        )
      }
      t.ok('x-request-id' in headers, `${call} ${status}`)
      t.equal('www-authenticate' in headers, status === '401', `${call} ${status}`)
      if (
        status === '429' || (status === '503' && codesOf(response).length > 0)
      ) t.ok('retry-after' in headers, `${call} ${status}`)
      for (const name of ['ratelimit-limit', 'ratelimit-remaining', 'ratelimit-reset']) {
        t.equal(name in headers, security.length > 0 && /^2|429/.test(status), `${call} ${status} ${name}`)
      }
    }
  }
  t.same(Object.keys(apiErrors).filter(code => !told.has(code)), ['method_not_allowed'], 'which no operation is about')
  t.ok(document.info.description.includes('`method_not_allowed`'))
})

t.test('who may call is who is let in', async t => {
  const { server, create } = await buildTestServer(t)
  const { id, clientSecret } = await create()
  const described = JSON.stringify(document.components['securitySchemes'])
  for (const { call, method, path, operation: { security, description } } of operations) {
    const url = path.replace('{id}', id).replace(/\{\w+\}/g, 'x')
    const ask = async (headers: Record<string, string>, query = '') =>
      server.inject({ method: method as 'GET', url: url + query, headers })
    const [nobody, noScopes] = await Promise.all([ask({}), ask({ authorization: 'Bearer vgk_nobody' })])
    const schemes = security.flatMap(scheme => Object.keys(scheme))
    t.equal(nobody.statusCode === 401, schemes.length > 0, call)
    if (schemes.length === 0) continue
    t.ok(schemes.includes('apiKey'), call)
    const [wanted] = scopes.filter(scope => description.includes(`an API key with the scope \`${scope}\``))
    // The verification is not that of the app without scopes, but scopes are looked at first.
    t.equal(noScopes.json().detail, `This key lacks the scope \`${wanted}\`.`, call)
    t.match(described, new RegExp(`${wanted}\`: [^\\n]*\`${method} ${path.replace(/[{}]/g, '.')}\``), call)
    // What is not there any more is told to those who are let in.
    await server.inject({ method: 'DELETE', url: `/verifications/${id}`, headers: authorization })
    const isOpen = async (answer: ReturnType<typeof ask>): Promise<boolean> => ![401, 403].includes((await answer).statusCode)
    t.equal(await isOpen(ask({ authorization: `Bearer ${clientSecret}` })), schemes.includes('clientSecret'), call)
    t.equal(await isOpen(ask({}, `?clientSecret=${clientSecret}`)), schemes.includes('clientSecretInQuery'), call)
  }
})
