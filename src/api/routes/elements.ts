import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { gzipSync } from 'node:zlib'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { acceptsGzip } from '../plugins/content-coding.ts'

const bundle = new URL('../../../packages/element/dist/phone-verification.js', import.meta.url)

/** An hour, so that a page sees a new version soon; after that a browser asks with the ETag. */
const caching = 'public, max-age=3600, stale-while-revalidate=86400'

/** `body` as one coding sends it. Each coding has an ETag of its own, as a strong one requires. */
function represent (body: Buffer, coding: 'gzip' | null) {
  const hash = createHash('sha256').update(body).digest('base64url').slice(0, 22)
  return { body, etag: `"${hash}"`, headers: coding === null ? {} : { 'content-encoding': coding } }
}

/** `<phone-verification>` for pages of every origin: it is public, and a page loads it without credentials. */
export const elementRoutes: FastifyPluginAsyncTypebox = async server => {
  const text = await readFile(bundle)
  const plain = represent(text, null)
  const zipped = represent(gzipSync(text, { level: 9 }), 'gzip')

  // Served under load: a page that cannot load it cannot try again.
  server.get('/elements/phone-verification.js', {
    config: { isUrgent: true }, schema: { hide: true },
  }, async (request, reply) => {
    const { body, etag, headers } = acceptsGzip(request) ? zipped : plain
    reply.headers({
      ...headers, etag, 'cache-control': caching, vary: 'accept-encoding', 'access-control-allow-origin': '*',
      'cross-origin-resource-policy': 'cross-origin',
    })
    const known = (request.headers['if-none-match'] ?? '').split(',').map(one => one.trim().replace(/^W\//, ''))
    if (known.includes(etag) || known.includes('*')) return reply.code(304).send()
    return reply.type('text/javascript; charset=utf-8').send(body)
  })
}
