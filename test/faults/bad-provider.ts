import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { text } from 'node:stream/consumers'
import { setTimeout as delay } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import { request } from 'undici'

type Teardown = { teardown (run: () => unknown): void }
type Headers = Record<string, string | string[] | undefined>
/** An answer as the provider gave it, or would have given it. */
export type Given = { status: number, headers: Headers, body: string }
/** What happens to one request; `ask` has the provider do its work. */
export type Fault = (response: ServerResponse, ask: () => Promise<Given>) => Promise<unknown> | unknown

const json = { 'content-type': 'application/json' }
const send = (response: ServerResponse, { status, headers, body }: Given): unknown =>
  response.writeHead(status, headers).end(body)
const answer = (status: number, body: string, headers: Headers = json): Fault =>
  response => send(response, { status, headers, body })
const late = (ms: number): Fault => async (response, ask) => {
  const given = await ask()
  await delay(ms, undefined, { ref: false })
  send(response, given)
}

/** Outages of the provider or the network: what became of the request is unknown. */
export const outages: Readonly<Record<string, Fault>> = {
  'an answer after 10 s': late(10_000),
  'no answer': () => {},
  'headers, then nothing': response => response.writeHead(200, { ...json, 'content-length': 100 }).flushHeaders(),
  'one byte a second': response => {
    response.writeHead(200, json)
    const timer = setInterval(() => response.write(' '), 1_000)
    response.on('close', () => clearInterval(timer))
  },
  'a connection reset when the request is there': response => response.socket?.resetAndDestroy(),
  'a connection closed when the request is there': response => response.socket?.destroy(),
  'half a body, then a reset': async (response, ask) => {
    const { status, headers, body } = await ask()
    response.writeHead(status, { ...headers, 'content-length': Buffer.byteLength(body) })
    response.write(body.slice(0, body.length / 2), () => setImmediate(() => response.socket?.resetAndDestroy()))
  },
  'status 500': answer(500, '{"message":"error"}'),
  'status 503 in HTML': answer(503, '<h1>Down</h1>', { 'content-type': 'text/html' }),
  'status 429, Retry-After: 2': answer(429, '{}', { ...json, 'retry-after': '2' }),
}

const bomb = gzipSync(Buffer.alloc(50_000_000, ' '))
/** The provider answers, and it is not what it documents. */
export const nonsense: Readonly<Record<string, Fault>> = {
  'a page of HTML': answer(200, '<!doctype html><p>Welcome</p>', { 'content-type': 'text/html' }),
  'no body': answer(200, ''),
  'NaN': answer(200, '{"requestId":NaN,"phoneNumbers":[NaN]}'),
  '50 MB': response => {
    response.writeHead(200, json).write('{"requestId":"')
    const part = 'x'.repeat(1_000_000)
    for (let n = 0; n < 50 && !response.destroyed; n += 1) response.write(part)
    response.end('"}')
  },
  'a gzip bomb': response => response.writeHead(200, { ...json, 'content-encoding': 'gzip' }).end(bomb),
  'status 404 of a page': answer(404, '<h1>Not found</h1>', { 'content-type': 'text/html' }),
  'status 410': answer(410, ''),
}

/** Not as documented, but not a fault: the meaning of the response is clear. */
export const oddities: Readonly<Record<string, Fault>> = {
  'an answer after 3 s': late(3_000),
  'JSON that is called HTML': async (response, ask) =>
    send(response, { ...await ask(), headers: { 'content-type': 'text/html' } }),
}

export const redirects = (to: string): Record<string, Fault> =>
  Object.fromEntries(
    [301, 302, 307, 308].map(status => [`status ${status} to an address inside`, answer(status, '', { location: to })]),
  )

/** `isSpoiled`: a fault came of it. */
export type Asked = {
  path: string, method: string, phoneNumber: string | null, body: Record<string, unknown>, at: number,
  isSpoiled: boolean,
}

/**
 * A wire between the gateway and the providers; on it things go wrong for the numbers, and the paths, that are chosen.
 */
export type BadProvider = {
  url: string
  asked: Asked[]
  /**
   * The next `times` requests about this number whose path begins so. Null stands for every number, and for what tells
   * of none.
   */
  spoil (path: string, phoneNumber: string | null, fault: Fault, times?: number): void
  /** Ends what was ordered. */
  heal (): void
}

const readJson = (sent: string): Record<string, unknown> => {
  try {
    return { ...Object(JSON.parse(sent)) }
  } catch {
    return {}
  }
}
/** The simulators compress on demand, which this wire does not undo. */
const notPassed = ['accept-encoding', 'connection', 'transfer-encoding', 'content-length', 'keep-alive', 'date', 'host']
const passable = (headers: Headers): Headers =>
  Object.fromEntries(Object.entries(headers).filter(([name]) => !notPassed.includes(name)))

/**
 * What is not spoiled goes on to the simulators at `target`; a token that says whose it is (`tokenOf`) is answered with
 * the profile of that number.
 */
export async function startBadProvider (t: Teardown, target: string): Promise<BadProvider> {
  const asked: Asked[] = []
  let orders: { path: string, phoneNumber: string | null, fault: Fault, times: number }[] = []
  /** Whose a provider's id is: later requests tell that only. */
  const owners = new Map<string, string>()

  const ownerOf = (path: string, headers: Headers, body: Record<string, unknown>): string | null => {
    const digits = body['phoneNumber'] ?? body['phone_number'] ?? readToken(headers)
    if (digits !== undefined) return `+${String(digits).replace(/^\+/, '')}`
    return owners.get(String(body['requestId'])) ?? owners.get(path.split('/').at(-1) ?? '') ?? null
  }

  async function ask (url: string, path: string, method: string, headers: Headers, sent: string): Promise<Given> {
    const digits = path.startsWith('/v1/default') ? readToken(headers) : undefined
    if (digits !== undefined) return {
      status: 200, headers: json, body: JSON.stringify({ phoneNumbers: [Number(digits)] }),
    }
    const answer = await request(
      target + path, { method: method as 'GET', headers: passable(headers), ...(sent === '' ? {} : { body: sent }) },
    )
    const body = (await answer.body.text()).replaceAll(target, url)
    const location = typeof answer.headers.location === 'string'
      ? { location: answer.headers.location.replace(target, url) }
      : {}
    return { status: answer.statusCode, headers: { ...passable(answer.headers), ...location }, body }
  }

  async function pass (incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const { url: path = '/', method = 'GET', headers } = incoming
    const sent = await text(incoming)
    const body = readJson(sent)
    const phoneNumber = ownerOf(path, headers, body)
    const order = orders.find(
      one =>
        one.times > 0 && path.startsWith(one.path) && (one.phoneNumber === null || one.phoneNumber === phoneNumber),
    )
    asked.push({ path, method, phoneNumber, body, at: performance.now(), isSpoiled: order !== undefined })
    const askProvider = async (): Promise<Given> => {
      const given = await ask(bad.url, path, method, headers, sent)
      const { requestId, check_id: checkId } = readJson(given.body)
      if (phoneNumber !== null) for (
        const id of [requestId, checkId]
      ) if (typeof id === 'string') owners.set(id, phoneNumber)
      return given
    }
    if (order === undefined) return void send(response, await askProvider())
    order.times -= 1
    await order.fault(response, askProvider)
  }

  const server = createServer((incoming, response) => {
    response.on('error', () => {})
    pass(incoming, response).catch(() => response.destroy())
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.close()
    server.closeAllConnections()
  })
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  const bad: BadProvider = {
    url: `http://127.0.0.1:${address.port}`, asked,
    spoil: (path, phoneNumber, fault, times = 1) => { orders.push({ path, phoneNumber, fault, times }) },
    heal: () => { orders = [] },
  }
  return bad
}

/** An access token of Truecaller's, as the phone with this number gets it. */
export const tokenOf = (phoneNumber: string): string => `token-${phoneNumber.slice(1)}`
const readToken = ({ authorization }: Headers): string | undefined =>
  /^Bearer token-(\d+)$/.exec(String(authorization))?.[1]
