import { createHash } from 'node:crypto'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import type { Config } from '../../config.ts'
import { ApiError, apiErrors, type ApiErrorCode } from '../../core/errors.ts'
import { exampleProblem } from '../openapi/operations.ts'
import { problemsUrlOf } from '../plugins/error-handler.ts'
import type { RequestLimits } from '../plugins/rate-limit.ts'

const style = `:root { color-scheme: light dark; font: 1rem/1.6 system-ui, sans-serif }
body { max-width: 44rem; margin: 3rem auto; padding: 0 1.5rem }
code, pre { font: .9em/1.5 ui-monospace, monospace }
pre { padding: 1rem; overflow-x: auto; border: 1px solid; border-radius: .5rem }
dt { margin-top: 1rem; font-weight: 600 }
dd { margin: 0 }`
const styleHash = createHash('sha256').update(style).digest('base64')
const headers = {
  'content-type': 'text/html; charset=utf-8', 'cache-control': 'public, max-age=3600',
  'content-security-policy': `default-src 'none'; style-src 'sha256-${styleHash}'; frame-ancestors 'none'; `
    + `base-uri 'none'; form-action 'none'`,
}

const escapes: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' }
const escape = (text: string): string => text.replace(/[&<>"]/g, character => escapes[character] ?? '')
/** Text of the table of errors: what is between backticks is code. */
const mark = (text: string): string => escape(text).replace(/`([^`]+)`/g, '<code>$1</code>')

const renderPage = (title: string, body: string): string => `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escape(title)}</title>
<style>${style}</style>
<main>
${body}
</main>
</html>
`

const codes = Object.keys(apiErrors) as ApiErrorCode[]

function renderProblem (code: ApiErrorCode, problemsUrl: string): string {
  const { status, title, when, advice, retry } = apiErrors[code]
  const example = JSON.stringify(exampleProblem(code, problemsUrl), null, 2)
  return renderPage(`${code}: ${title}`, `<p><a href="../problems">All error codes</a></p>
<h1>${escape(title)}</h1>
<p><code>${code}</code>, HTTP status ${status}</p>
<dl>
<dt>When it occurs</dt><dd>${mark(when)}</dd>
<dt>What to do</dt><dd>${mark(advice)}</dd>
<dt>Does it help to send the same request again?</dt><dd>${mark(retry)}</dd>
</dl>
<h2>Example</h2>
<pre tabindex="0">${escape(example)}</pre>`)
}

const renderItem = (code: ApiErrorCode): string =>
  `<li><a href="problems/${code}"><code>${code}</code></a>: ${escape(apiErrors[code].title)}</li>`
const renderList = (): string => renderPage('Error codes', `<h1>Error codes</h1>
<ul>
${codes.map(renderItem).join('\n')}
</ul>`)

/** The pages for people. They are the same for everybody, and contain nothing of the request. */
export const pageRoutes: FastifyPluginAsyncTypebox<{
  limits: Pick<RequestLimits, 'byAddress'>, config: Pick<Config, 'publicUrl' | 'sandbox' | 'operations'>,
}> = async (server, { limits, config: { publicUrl, sandbox, operations } }) => {
  const problemsUrl = problemsUrlOf(publicUrl)
  const options = { onRequest: limits.byAddress, schema: { hide: true } }

  server.get('/problems', options, async (_request, reply) => reply.headers(headers).send(renderList()))
  server.get('/problems/:code', {
    onRequest: limits.byAddress, schema: { hide: true, params: Type.Object({ code: Type.String() }) },
  }, async ({ params }, reply) => {
    const code = codes.find(known => known === params.code)
    if (code === undefined) throw new ApiError('not_found', 'There is no error with this code.')
    return reply.headers(headers).send(renderProblem(code, problemsUrl))
  })

  // In the sandbox this is the page with the simulated handset.
  if (sandbox) return
  const about = operations === null ? `API documentation: ${publicUrl}/docs` : 'The API documentation is not here.'
  server.get('/', options, async (_request, reply) =>
    reply.type('text/plain; charset=utf-8').send(`Verigate. ${about}\n`))
}
