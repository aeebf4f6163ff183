import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { request } from 'undici'

/** Where opening a URL ended: in a response, or in a redirect to another place, which is not followed. */
export type Arrival = {
  status: number, location: string | null, body: string
  /** The one-time code in the body, or in the query or the fragment of the redirect. */
  code: string | null
}

const maxRedirects = 20
const maxBodyLength = 4096
/** A network that does not answer at all must not hold a page for longer. */
const deadlineMs = 30_000

const OpenBody = Type.Object({ url: Type.String({ pattern: '^https?://' }) }, { additionalProperties: false })

function readCode (text: string): string | null {
  try {
    const body: unknown = JSON.parse(text)
    return typeof body === 'object' && body !== null && 'code' in body ? String(body.code) : null
  } catch {
    // Twilio answers in the form of a query.
    return /^ErrorCode=/.test(text) ? new URLSearchParams(text).get('SnaClientToken') : null
  }
}

const codeIn = (fragment: string): string | null => new URLSearchParams(fragment.slice(1)).get('code')

/**
 * `POST /handset/cellular` `{ url }`: the phone opens a URL over mobile data, as the SDK of an app does: with cookies,
 * through the redirects of the operator and the gateway. It opens nothing but the simulators and the callbacks of the
 * gateway. 504: nothing answers.
 */
export function createCellular (
  { simulatorsUrl, gatewayUrl }: { simulatorsUrl: () => string, gatewayUrl: () => string },
): FastifyPluginAsyncTypebox {
  const isOpened = ({ origin, pathname }: URL): boolean => origin === new URL(simulatorsUrl()).origin
    || (origin === new URL(gatewayUrl()).origin && pathname.startsWith('/callbacks/'))

  async function open (first: URL): Promise<Arrival> {
    const signal = AbortSignal.timeout(deadlineMs)
    const cookies = new Map<string, string>()
    for (let url = first, left = maxRedirects; ; left -= 1) {
      const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ')
      const { statusCode: status, headers, body } = await request(url, { headers: { cookie }, signal })
      for (const line of [headers['set-cookie'] ?? []].flat()) {
        const [, name = '', value = ''] = /^([^=;]+)=([^;]*)/.exec(line) ?? []
        cookies.set(name, value)
      }
      const text = (await body.text()).slice(0, maxBodyLength)
      if (typeof headers.location !== 'string') {
        return { status, location: null, body: text, code: readCode(text) ?? codeIn(url.hash) }
      }
      const { hash } = url
      url = new URL(headers.location, url)
      // As browsers do: a fragment stays, unless the new URL has its own.
      if (url.hash === '') url.hash = hash
      if (!isOpened(url) || left === 0) return {
        status, location: url.href, body: text, code: url.searchParams.get('code') ?? codeIn(url.hash),
      }
    }
  }

  return async app => {
    app.post('/handset/cellular', { schema: { body: OpenBody } }, async ({ body }, reply) => {
      const url = URL.parse(body.url)
      if (url === null || !isOpened(url)) {
        return reply.code(400).send({ message: 'url must be one that the simulators gave' })
      }
      try {
        return await open(url)
      } catch {
        return reply.code(504).send({ message: 'The network does not answer' })
      }
    })
  }
}
