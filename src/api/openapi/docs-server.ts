import helmet from '@fastify/helmet'
import swagger from '@fastify/swagger'
import swaggerUi from '@fastify/swagger-ui'
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest, type RouteOptions } from 'fastify'
import { sandboxKey } from '../../apps/apps.ts'
import { describeWebhooks, webhookRules } from './webhook-events.ts'
import { finishDocument } from './document.ts'

const paragraphs = (...texts: string[]): string => texts.join('\n\n')

const description = paragraphs(
  'One provider-neutral lifecycle, whatever the provider. `GET /providers` lists the methods that are configured.',
  [
    '1. Your server creates a verification with `POST /verifications` and gives `id` and `clientSecret` to your front '
    + 'end.',
    '2. The front end performs `nextAction`, submits the result with `check`, and follows the verification until '
    + '`nextAction` is null.',
    '3. The verification ends as `verified`, `failed`, `expired` or `canceled`, and then never changes. Only '
    + '`verified` means that the number was proven.',
    '4. Your server receives a webhook, or reads the verification. It must not rely on what the front end reports.',
  ].join('\n'),
  '**Credentials.** `Authorization: Bearer …` with the API key of your app, on servers only; or with the client secret '
  + 'of one verification, in a front end.',
  '**Errors** are `application/problem+json` (RFC 9457): base decisions on `code`. A refusal by the user is not an '
  + 'error but an outcome: see `status` and `reason`.\nAn unknown path is 404 `not_found`; an unsupported method is '
  + '405 `method_not_allowed`, and `allow` lists the supported ones.',
  '**Repeating.** With `idempotency-key`, a create can be sent again until there is a response. The description of '
  + 'every other call says what repeating it does.',
  '**Every response** has `x-request-id`: report it to the operator in case of a problem. Responses may grow: ignore '
  + 'unknown members.',
)

const sandboxDescription = `**This is the sandbox.** Authorize with \`${sandboxKey}\` and try the calls: simulators `
  + 'replace the providers. The code is the last six digits of the number, and the last two digits select the outcome: '
  + 'even is verified, odd proves another number, 90 to 99 are faults (`92`: no response; `90`: the user refuses).'

const tags = [
  { name: 'Verifications', description: 'Create, follow and complete a verification.' },
  { name: 'Webhooks', description: `Events that are sent to the app, and their delivery log.\n\n${webhookRules}` },
  { name: 'Providers', description: 'The configured providers and their health.' },
  { name: 'Operations', description: 'Health and metrics, for the operator of the gateway.' },
  { name: 'Callbacks', description: 'Not for apps: callbacks of providers, and returning browsers.' },
]

/** Swagger UI needs only its own files and inline styles. */
const docsPolicy = [
  'default-src \'none\'', 'script-src \'self\'', 'style-src \'self\' \'unsafe-inline\'', 'img-src \'self\' data:',
  'font-src \'self\' data:', 'connect-src \'self\'', 'base-uri \'none\'', 'form-action \'none\'',
  'frame-ancestors \'none\'',
].join('; ')

/** Darker colours where those of Swagger UI lack contrast (WCAG AA: 4.5 to 1). */
const docsCss = `
.swagger-ui .opblock.opblock-post .opblock-summary-method { background: #1b7a4b }
.swagger-ui .opblock.opblock-get .opblock-summary-method { background: #1f69b8; border-color: #1f69b8 }
.swagger-ui .opblock.opblock-delete .opblock-summary-method { background: #c4262e }
.swagger-ui .info .title small:first-of-type { background: #5c6370 }
.swagger-ui .info .title small.version-stamp { background: #1b7a4b }
.swagger-ui .btn.execute { background: #1f69b8; border-color: #1f69b8 }
.swagger-ui .btn.authorize, .swagger-ui .btn.authorize span { color: #1b7a4b; border-color: #1b7a4b }
.swagger-ui .btn.authorize svg { fill: #1b7a4b }
.swagger-ui .btn.try-out__btn.cancel { color: #c4262e; border-color: #c4262e }
.swagger-ui .parameter__name.required::after { color: #c4262e; border-color: #c4262e }
.swagger-ui .info .url, .swagger-ui .info a { color: #1f69b8 }
.swagger-ui .parameter__in { color: #5c6370 }
.swagger-ui .microlight span[style*="rgb(211, 99, 99)"] { color: #ff8f8f !important }
`

export type DocsOptions = {
  version: string
  sandbox: boolean
  /** Where the API is; null: where the document is. */
  url: string | null
}

/**
 * A server that never listens: `/openapi.json` describes `routes`, and `/docs` is the documentation, from the package's
 * own files. "Try it out" is enabled only in the sandbox: elsewhere the page would store API keys and send messages to
 * people.
 */
export async function createDocsServer (
  routes: readonly RouteOptions[], options: DocsOptions,
): Promise<FastifyInstance> {
  const server = Fastify({ exposeHeadRoutes: false })
  server.setValidatorCompiler(() => () => true).setSerializerCompiler(() => value => JSON.stringify(value))
  await describeApi(server, options)
  for (const { method, url, schema = {} } of routes) {
    server.route({ method, url, schema, handler: (_request, reply) => reply.callNotFound() })
  }
  await servePages(server, options.sandbox)
  await server.ready()
  return server
}

async function servePages (server: FastifyInstance, sandbox: boolean): Promise<void> {
  // Rendered once, because anyone may request it again and again.
  let rendered: string | null = null
  const sendDocument = async (_request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    rendered ??= JSON.stringify(server.swagger())
    return reply.header('content-type', 'application/json; charset=utf-8').send(rendered)
  }
  await server.register(async pages => {
    // The copy of the document that the page loads.
    pages.addHook('onRequest', async (request, reply) =>
      request.routeOptions.url === '/docs/json' ? sendDocument(request, reply) : undefined)
    await pages.register(helmet, { contentSecurityPolicy: false, strictTransportSecurity: false })
    await pages.register(swaggerUi, {
      routePrefix: '/docs', staticCSP: docsPolicy, theme: {
        title: 'Verigate API', css: [{ filename: 'docs.css', content: docsCss }],
      },
      uiConfig: {
        layout: 'BaseLayout', docExpansion: 'list', defaultModelsExpandDepth: 0, displayRequestDuration: true,
        persistAuthorization: sandbox, tryItOutEnabled: sandbox,
        ...(sandbox ? {} : { supportedSubmitMethods: [] }),
      },
    })
  })
  server.get('/openapi.json', { schema: { hide: true } }, sendDocument)
}

/** Generates the OpenAPI document (`server.swagger()`) from the routes that are registered afterwards. */
async function describeApi (server: FastifyInstance, { version, sandbox, url }: DocsOptions): Promise<void> {
  const sandboxHint = sandbox ? ` Here: \`${sandboxKey}\`.` : ''
  await server.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Verigate', summary: 'Provider-neutral phone verification.', version,
        description: sandbox ? paragraphs(sandboxDescription, description) : description,
        contact: { name: 'The operator of this gateway' }, license: { name: 'MIT', identifier: 'MIT' },
      },
      servers: [url === null ? { url: '/', description: 'The gateway that serves this document' } : { url }],
      tags,
      components: {
        securitySchemes: {
          clientSecret: {
            type: 'http', scheme: 'bearer',
            description: '`clientSecret` of one verification: gives access to this one only, with the number masked '
              + 'and without reference, metadata, profile, signals and cost.',
          },
          clientSecretInQuery: {
            type: 'apiKey', in: 'query', name: 'clientSecret',
            description: 'The same secret, for a browser\'s `EventSource`, which cannot send headers. Only the event '
              + 'stream accepts it.',
          },
          // Last, because the dialog of Swagger UI puts the focus there.
          apiKey: {
            type: 'http', scheme: 'bearer',
            description: `API key of an app: for servers only.${sandboxHint} Scopes and their calls:`,
          },
        },
      },
      webhooks: describeWebhooks(),
    },
    convertConstToEnum: false,
    transformObject: documentObject => {
      if (!('openapiObject' in documentObject)) throw new TypeError('not an OpenAPI document')
      return finishDocument(documentObject.openapiObject)
    },
  })
}
