import helmet from '@fastify/helmet'
import swagger from '@fastify/swagger'
import swaggerUi from '@fastify/swagger-ui'
import type { FastifyInstance } from 'fastify'
import { sandboxKey } from '../../apps/apps.ts'
import { describeWebhooks, webhookRules } from './webhook-events.ts'
import { finishDocument } from './document.ts'

const description = `One provider-neutral lifecycle over Truecaller, tru.ID and OTPLESS.

1. Your server creates a verification with \`POST /verifications\` and gives \`id\` and \`clientSecret\` to your front end.
2. The front end does what \`nextAction\` says, brings what comes of it by \`check\`, and follows the verification until \`nextAction\` is null.
3. The verification ends as \`verified\`, \`failed\`, \`expired\` or \`canceled\`, written once. Only \`verified\` means that the number was proven.
4. Your server hears of it by webhook, or reads it. What the page says is no proof.

**Credentials.** \`Authorization: Bearer …\` with the API key of your app, on servers only; or with the client secret of one verification, in a front end.

**Errors** are \`application/problem+json\` (RFC 9457): decide by \`code\`. A user's "no" is no error but an outcome, told by \`status\` and \`reason\`.
A path that does not exist is 404 \`not_found\`; another method than the documented ones is 405 \`method_not_allowed\`, and \`allow\` names them.

**Repeating.** Send \`idempotency-key\` with a create, and it can be sent again until it is answered. What repeating another call does, its description says.

**Every answer** has \`x-request-id\`: tell it to the operator when something is wrong. Answers may grow: ignore members that you do not know.`

const sandboxDescription = `**This is the sandbox.** Authorize with \`${sandboxKey}\` and try the calls out: simulators stand in for the providers. A code is the last six digits of the number, and
its last two choose what happens: even is verified, odd proves another number, 90 to 99 are what can go wrong (\`92\`: silence; \`90\`: the user says no).`

const tags = [
  { name: 'Verifications', description: 'Create a verification, follow it, finish it.' },
  { name: 'Webhooks', description: `What is sent to the app by itself, and what came of it.\n\n${webhookRules}` },
  { name: 'Providers', description: 'What is configured, and how it is doing.' },
  { name: 'Operations', description: 'Health and metrics, for whoever operates the gateway.' },
  { name: 'Callbacks', description: 'Not for apps: here providers call, and here they send browsers back.' },
]

/** Swagger UI needs no more than its own files, and inline styles. */
const docsPolicy = [
  'default-src \'none\'', 'script-src \'self\'', 'style-src \'self\' \'unsafe-inline\'', 'img-src \'self\' data:',
  'font-src \'self\' data:', 'connect-src \'self\'', 'base-uri \'none\'', 'form-action \'none\'', 'frame-ancestors \'none\'',
].join('; ')

/** Darker where Swagger UI's own colours are hard to read (WCAG AA: 4.5 to 1). */
const docsCss = `
.swagger-ui .opblock.opblock-post .opblock-summary-method, .swagger-ui .info .title small.version-stamp { background: #1b7a4b }
.swagger-ui .opblock.opblock-get .opblock-summary-method, .swagger-ui .btn.execute { background: #1f69b8; border-color: #1f69b8 }
.swagger-ui .opblock.opblock-delete .opblock-summary-method { background: #c4262e }
.swagger-ui .info .title small:first-of-type { background: #5c6370 }
.swagger-ui .btn.authorize, .swagger-ui .btn.authorize span { color: #1b7a4b; border-color: #1b7a4b }
.swagger-ui .btn.authorize svg { fill: #1b7a4b }
.swagger-ui .btn.try-out__btn.cancel, .swagger-ui .parameter__name.required::after { color: #c4262e; border-color: #c4262e }
.swagger-ui .info .url, .swagger-ui .info a { color: #1f69b8 }
.swagger-ui .parameter__in { color: #5c6370 }
.swagger-ui .microlight span[style*="rgb(211, 99, 99)"] { color: #ff8f8f !important }
`

/** Makes the OpenAPI document (`server.swagger()`). Routes registered after it are described. */
export async function describeApi (
  server: FastifyInstance, { version, sandbox }: { version: string, sandbox: boolean },
): Promise<void> {
  await server.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Verigate', summary: 'Phone verification, whatever the provider.', version,
        description: sandbox ? `${sandboxDescription}\n\n${description}` : description,
        contact: { name: 'Whoever operates this gateway' }, license: { name: 'MIT', identifier: 'MIT' },
      },
      servers: [{ url: '/', description: 'The gateway that serves this document' }],
      tags,
      components: {
        securitySchemes: {
          clientSecret: {
            type: 'http', scheme: 'bearer',
            description: '`clientSecret` of one verification: opens that one only, with the number masked, without metadata, profile and signals.',
          },
          clientSecretInQuery: {
            type: 'apiKey', in: 'query', name: 'clientSecret',
            description: 'The same secret, where no header can be sent: a browser\'s `EventSource`. Taken by the event stream only.',
          },
          // Last, because that is where the dialog of Swagger UI begins.
          apiKey: {
            type: 'http', scheme: 'bearer',
            description: `API key of an app: for servers only.${sandbox ? ` Here: \`${sandboxKey}\`.` : ''} Its scopes open calls:`,
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

/** Gives a server the document of another one, which is found at `publicUrl`. */
export async function describeOther (
  server: FastifyInstance, other: FastifyInstance, publicUrl: string,
): Promise<void> {
  await server.register(
    swagger,
    { openapi: { openapi: '3.1.0' }, transformObject: () => ({ ...other.swagger(), servers: [{ url: publicUrl }] }) },
  )
}

/**
 * `/openapi.json` and the documentation at `/docs`, served from the package's own files.
 * Calls are tried out in the sandbox only: elsewhere a page that keeps API keys and sends messages to people is no
 * place for a trial.
 */
export async function serveDocs (server: FastifyInstance, { sandbox }: { sandbox: boolean }): Promise<void> {
  await server.register(async pages => {
    await pages.register(helmet, { contentSecurityPolicy: false, strictTransportSecurity: false })
    await pages.register(swaggerUi, {
      routePrefix: '/docs', staticCSP: docsPolicy, theme: {
        title: 'Verigate API', css: [{ filename: 'docs.css', content: docsCss }],
      },
      uiConfig: {
        layout: 'BaseLayout', docExpansion: 'list', defaultModelsExpandDepth: 0, displayRequestDuration: true, persistAuthorization: sandbox, tryItOutEnabled: sandbox,
        ...(sandbox ? {} : { supportedSubmitMethods: [] }),
      },
    })
  })
  server.get('/openapi.json', { schema: { hide: true } }, async () => server.swagger())
}
