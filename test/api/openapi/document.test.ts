import t from 'tap'
import { finishDocument } from '../../../src/api/openapi/document.ts'
import { apiErrorResponses, publicErrors } from '../../../src/api/openapi/operations.ts'

const person = {
  title: 'Person', type: 'object', properties: { name: { type: 'string', examples: [{ title: 'no schema' }] } },
}
const examples = { ada: { summary: 'Ada', value: { title: 'Person', name: 'Ada' } } }
const response = { description: 'Found.', content: { 'application/json': { schema: person, examples } } }

const finish = (paths: object, more: object = {}): Record<string, any> => finishDocument({
  openapi: '3.1.0', paths, components: {
    securitySchemes: { apiKey: { type: 'http', description: 'A key.' }, clientSecret: { description: 'A secret.' } },
  }, ...more,
})

t.test('repeated schemas, responses and examples become components', async t => {
  const operation = (description: string, other: object = {}) => (
    {
      description, responses: { 200: { ...response, ...other }, ...apiErrorResponses('rate_limited') },
      security: [{ apiKey: ['providers:read'] }],
    }
  )
  const { paths, webhooks, components } = finish(
    {
      '/a': { get: operation('A.') },
      '/b': { get: operation('B.'), post: { description: 'Open.', responses: publicErrors() } },
    },
    {
      webhooks: {
        ended: {
          post: { requestBody: { content: { 'application/json': { schema: person, examples } } }, responses: {} },
        },
      },
    },
  )
  const { schema, examples: shown } = paths['/a'].get.responses[200].content['application/json']
  t.same(schema, { $ref: '#/components/schemas/Person' })
  t.same(components.schemas['Person'], person, 'examples are not treated as schemas')
  t.same(shown, { ada: { $ref: '#/components/examples/Ada' } })
  t.same(components.examples['Ada'], examples.ada)
  t.same(webhooks.ended.post.requestBody.content['application/json'], { schema, examples: shown })
  t.same(paths['/b'].get.responses[429], { $ref: '#/components/responses/RateLimited' })
  t.same(paths['/b'].get.responses[503], { $ref: '#/components/responses/OverloadedOrStoreUnavailable' })
  t.match(
    components.responses['RateLimited'],
    { description: /rate_limited/, headers: { 'retry-after': { $ref: '#/components/headers/RetryAfter' } } },
  )
  t.ok(
    components.responses['RateLimited'].content['application/problem+json'].examples.rate_limited.value,
    'a single occurrence stays in place',
  )
  t.match(paths['/b'].post.responses[503].description, /overloaded/, 'a different response of the same status')
})

t.test('a title names one schema', async t => {
  const get = (schema: object) => ({
    get: { description: 'A.', responses: { 200: { ...response, content: { 'application/json': { schema } } } } },
  })
  t.throws(() => finish({ '/a': get(person), '/b': get({ ...person, type: 'string' }) }), /title Person/)
})

t.test('a record of strings has additional properties', async t => {
  const record = { title: 'Pairs', type: 'object', patternProperties: { '^.*$': { type: 'string' } } }
  const { components } = finish({}, { webhooks: { a: { post: { schema: record } } } })
  t.same(components.schemas['Pairs'], { title: 'Pairs', type: 'object', additionalProperties: { type: 'string' } })
})

t.test('a name that is already used stays in place', async t => {
  const other = { ada: { summary: 'Another', value: { name: 'Ada' } } }
  const answerWith = (examples: object) => (
    { 200: { ...response, content: { 'application/json': { schema: person, examples } } } }
  )
  const get = (examples: object) => ({ get: { description: 'A.', responses: answerWith(examples) } })
  const { paths } = finish({ '/a': get(examples), '/b': get(examples), '/c': get(other), '/d': get(other) })
  const shown = Object.values<Record<string, any>>(paths).map(
    ({ get: { responses } }) => responses[200].content['application/json'].examples.ada,
  )
  t.same(shown, [{ $ref: '#/components/examples/Ada' }, { $ref: '#/components/examples/Ada' }, other.ada, other.ada])
})

t.test('the description names the callers', async t => {
  const { paths, components } = finish({
    '/a': {
      get: {
        description: 'A.',
        security: [{ apiKey: ['providers:read'] }, { clientSecret: [] }, { clientSecretInQuery: [] }], responses: {},
      },
      post: { description: 'B.', responses: {} },
    },
  })
  t.equal(paths['/a'].get.description, [
    'A.', '',
    '**Callers:** an API key with the scope `providers:read`; or the front end, with the client secret of this '
    + 'verification; or the same secret as `clientSecret` in the query.',
  ].join('\n'))
  t.same(paths['/a'].get.security, [{ apiKey: [] }, { clientSecret: [] }, { clientSecretInQuery: [] }])
  t.match(paths['/a'].post, { description: 'B.', security: [] })
  t.equal(components.securitySchemes.apiKey.description, 'A key.\n\n- `providers:read`: `GET /a`')
  t.equal(components.securitySchemes.clientSecret.description, 'A secret.')
})

t.test('path parameters come first, and examples move to the schema', async t => {
  const { paths } = finish({
    '/a': {
      get: {
        description: 'A.', responses: {}, parameters: [
          { in: 'query', name: 'wait', description: 'Seconds.', example: 25, schema: { type: 'integer' } },
          {
            in: 'header', name: 'kind', description: 'Which.', examples: { a: { value: 'a' }, b: { value: 'b' } },
            schema: { type: 'string' },
          },
          { in: 'path', name: 'id', description: 'Its id.', schema: { type: 'string' } },
        ],
      },
    },
  })
  t.strictSame(paths['/a'].get.parameters, [
    { in: 'path', name: 'id', description: 'Its id.', schema: { type: 'string' } },
    {
      in: 'query', name: 'wait', description: 'Seconds. For example `25`.', schema: { type: 'integer', examples: [25] },
    },
    {
      in: 'header', name: 'kind', description: 'Which. For example `a`.',
      schema: { type: 'string', examples: ['a', 'b'] },
    },
  ])
})

t.test('an optional body is not required', async t => {
  const requestBody = { required: true, content: {} }
  const { paths } = finish(
    {
      '/a': {
        post: { description: 'A.', 'x-optional-body': true, requestBody, responses: {} },
        put: { description: 'B.', requestBody, responses: {} },
      },
    },
  )
  t.match(paths['/a'], { post: { requestBody: { required: false } }, put: { requestBody: { required: true } } })
  t.notOk('x-optional-body' in paths['/a'].post)
})
