import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { Pool } from 'undici'

// The providers at the lowest possible cost: tru.ID's token and checks; Truecaller's push, callback and profile.

let delayMs = 0
let pool: Pool | null = null
let checks = 0
let origin = ''

async function readText (request: IncomingMessage): Promise<string> {
  let text = ''
  for await (const chunk of request.setEncoding('latin1')) text += String(chunk)
  return text
}

function answer (response: ServerResponse, status: number, body: object): void {
  const text = JSON.stringify(body)
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': text.length }).end(text)
}

/** The user approves at once: the callback follows the response. */
function callBack (digits: string, state: string): void {
  const body = JSON.stringify({ requestId: `request-${digits}`, accessToken: `token-${digits}`, state })
  pool?.request(
    { method: 'POST', path: '/callbacks/truecaller', headers: { 'content-type': 'application/json' }, body },
  )
    .then(({ body }) => body.dump(), (error: unknown) => console.error('callback', error))
}

async function serve (request: IncomingMessage, response: ServerResponse): Promise<void> {
  const text = await readText(request)
  if (delayMs > 0) await delay(delayMs)
  switch (request.url) {
    case '/oauth2/v1/token': return answer(
      response, 200, { access_token: 'token', expires_in: 3600, token_type: 'bearer' },
    )
    case '/phone_check/v0.2/checks': {
      const id = `check-${checks += 1}`
      const self = { href: `${origin}/phone_check/v0.2/checks/${id}` }
      return answer(
        response, 201,
        { check_id: id, status: 'ACCEPTED', _links: { self, check_url: { href: `${self.href}/redirect` } } },
      )
    }
    case '/v1/apps/requests': {
      const [, digits = '', state = ''] = /"phoneNumber":(\d+),"state":"([^"]+)"/.exec(text) ?? []
      answer(response, 200, { requestId: `request-${digits}` })
      return callBack(digits, state)
    }
    case '/v1/default': {
      const digits = request.headers.authorization?.replace('Bearer token-', '') ?? ''
      return answer(response, 200, { phoneNumbers: [Number(digits)], name: { first: 'Ada', last: 'Example' } })
    }
    default: return answer(response, 404, {})
  }
}

const server = createServer((request, response) => { void serve(request, response) })
// Clients may keep their connections during the whole benchmark.
server.keepAliveTimeout = 600_000
server.listen(0, '127.0.0.1', 4096, () => {
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  origin = `http://127.0.0.1:${address.port}`
  process.send?.({ listening: origin })
})
process.on('message', (message: { gatewayUrl?: string, delayMs?: number }) => {
  if (message.gatewayUrl !== undefined) pool = new Pool(message.gatewayUrl, { connections: 64 })
  if (message.delayMs !== undefined) delayMs = message.delayMs
})
