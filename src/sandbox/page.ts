import { readFile } from 'node:fs/promises'
import { stripTypeScriptTypes } from 'node:module'
import { join } from 'node:path'
import type { FastifyPluginAsync, FastifyReply } from 'fastify'

const folder = import.meta.dirname
/** What the page consists of: the path on the server is the path below this folder, with `/sandbox/` before it. */
const files = [
  'page/api.ts', 'page/code.ts', 'page/dom.ts', 'page/follow.ts', 'page/form.ts', 'page/front-end.ts',
  'page/handset.ts',
  'page/icon.svg', 'page/layout.css', 'page/main.ts', 'page/notifications.ts', 'page/numbers.ts', 'page/parts.css',
  'page/phone.css', 'page/presets.ts', 'page/sdk.ts', 'page/session.ts', 'page/state-drawing.ts', 'page/timeline.ts',
  'page/verification.ts', 'page/webhooks.ts', 'scenarios.ts',
]
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
      send(reply, 'text/html; charset=utf-8', await readFile(join(folder, 'page/index.html'), 'utf8')))
    server.get('/sandbox/settings.json', hidden, async () => ({ simulatorsUrl, webhook }))
    for (const file of files) {
      const extension = file.slice(file.lastIndexOf('.'))
      server.get(`/sandbox/${file}`, hidden, async (_request, reply) => {
        const text = await readFile(join(folder, file), 'utf8')
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
