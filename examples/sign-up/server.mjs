// Sign-up with a verified phone number, in plain Node.js: node server.mjs
import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'

const { VERIGATE_URL = 'http://localhost:3000', VERIGATE_API_KEY = 'vgk_sandbox', PORT = '8080' } = process.env
const page = (await readFile(new URL('page.html', import.meta.url), 'utf8')).replaceAll('VERIGATE_URL', VERIGATE_URL)
const headers = { authorization: `Bearer ${VERIGATE_API_KEY}`, 'content-type': 'application/json' }
/** The verification of each browser session; a real server keeps it in its session store. */
const verifications = new Map()

async function readJson (request) {
  let text = ''
  for await (const chunk of request.setEncoding('utf8')) text += chunk
  return JSON.parse(text)
}

async function signUp (session, request) {
  const { phoneNumber } = await readJson(request)
  const response = await fetch(`${VERIGATE_URL}/verifications`, {
    method: 'POST', headers, body: JSON.stringify({
      phoneNumber: String(phoneNumber), returnUrl: `http://localhost:${PORT}/`, onConflict: 'replace',
    }),
  })
  const body = await response.json()
  if (!response.ok) return [response.status, { detail: body.detail }]
  verifications.set(session, body.id)
  return [201, { id: body.id, clientSecret: body.clientSecret }]
}

/** Only the verification that this session started counts, and only what the gateway says of it. */
async function signedUp (session) {
  const response = await fetch(`${VERIGATE_URL}/verifications/${verifications.get(session) ?? 'none'}`, { headers })
  const { verified, result } = await response.json()
  if (verified !== true) return [403, { detail: 'The number is not verified.' }]
  verifications.delete(session)
  return [200, { phoneNumber: result.phoneNumber, assurance: result.assurance.level }]
}

const routes = { 'POST /sign-up': signUp, 'POST /signed-up': signedUp }

createServer(async (request, response) => {
  const session = /\bsession=([\w-]+)/.exec(request.headers.cookie ?? '')?.[1] ?? randomUUID()
  response.setHeader('set-cookie', `session=${session}; HttpOnly; SameSite=Lax; Path=/`)
  if (request.method === 'GET') return response.setHeader('content-type', 'text/html').end(page)
  const route = routes[`${request.method} ${request.url}`] ?? (() => [404, { detail: 'Not found.' }])
  const [status, body] = await Promise.resolve(route(session, request))
    .catch(() => [502, { detail: 'The request cannot be read, or the gateway cannot be reached.' }])
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}).listen(PORT, 'localhost')
