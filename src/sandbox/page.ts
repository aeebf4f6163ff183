import { readFile } from 'node:fs/promises'
import { stripTypeScriptTypes } from 'node:module'
import type { FastifyPluginAsync, FastifyReply } from 'fastify'

const folder = new URL('page/', import.meta.url)
/** What the page consists of, by its path below `/sandbox/`. */
const files = new Map<string, URL>([
  ...[
    'api.ts', 'code.ts', 'dom.ts', 'follow.ts', 'form.ts', 'front-end.ts', 'handset.ts', 'icon.svg', 'layout.css',
    'main.ts', 'notifications.ts', 'numbers.ts', 'parts.css', 'phone.css', 'presets.ts', 'sdk.ts', 'session.ts',
    'state-drawing.ts', 'timeline.ts', 'verification.ts', 'webhooks.ts',
  ].map(name => [`page/${name}`, new URL(name, folder)] as const),
  ['scenarios.ts', new URL('scenarios.ts', import.meta.url)],
])
const mediaTypes = new Map([
  ['.ts', 'text/javascript; charset=utf-8'], ['.css', 'text/css; charset=utf-8'], ['.svg', 'image/svg+xml'],
])

/**
 * The page of the sandbox at `/`, with its scripts and styles below `/sandbox/`. The scripts are the
 * TypeScript files of the folder `page` without their types.
 */
export function createPage (
  { url: simulatorsUrl, webhook }: { url: string, webhook: { url: string, secret: string } },
): FastifyPluginAsync {
  const policy = [
    'default-src \'none\'', 'script-src \'self\'', 'style-src \'self\'', 'img-src \'self\'',
    `connect-src 'self' ${simulatorsUrl}`, 'base-uri \'none\'', 'form-action \'none\'', 'frame-ancestors \'none\'',
    'require-trusted-types-for \'script\'', 'trusted-types \'none\'',
  ].join('; ')
  const send = (reply: FastifyReply, type: string, text: string): FastifyReply =>
    reply.headers({ 'content-security-policy': policy, 'content-type': type }).send(text)

  return async server => {
    server.get('/', hidden, async (_request, reply) =>
      send(reply, 'text/html; charset=utf-8', await readFile(new URL('index.html', folder), 'utf8')))
    server.get('/sandbox/settings.json', hidden, async () => ({ simulatorsUrl, webhook }))
    for (const [path, file] of files) {
      const extension = path.slice(path.lastIndexOf('.'))
      server.get(`/sandbox/${path}`, hidden, async (_request, reply) => {
        const text = await readFile(file, 'utf8')
        return send(reply, mediaTypes.get(extension) ?? '', extension === '.ts' ? stripTypes(text) : text)
      })
    }
  }
}

const hidden = { schema: { hide: true } }

/** Node.js calls its own type stripping experimental, once, on the standard error. */
function stripTypes (source: string): string {
  const { emitWarning } = process
  process.emitWarning = () => {}
  try {
    return stripTypeScriptTypes(source)
  } finally {
    process.emitWarning = emitWarning
  }
}
