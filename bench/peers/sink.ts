import { createServer, type IncomingMessage } from 'node:http'
import { exchange } from '../connection.ts'
import { openConnections } from '../load.ts'

/** Where messages with codes are delivered: one for every peer. */
export type Sink = {
  url: string
  /** The code that was delivered to this number. Throws when there is none. */
  codeOf (phoneNumber: string): string
  close (): Promise<void>
}

async function readJson (request: IncomingMessage): Promise<unknown> {
  let text = ''
  for await (const chunk of request.setEncoding('utf8')) text += String(chunk)
  return JSON.parse(text)
}

export async function startSink (): Promise<Sink> {
  const codes = new Map<string, string>()
  const routes: Record<string, (body: { [name: string]: unknown }) => void> = {
    '/otpgateway' ({ otp }) {
      const { to, otp: code } = { to: '', otp: '', ...typeof otp === 'object' ? otp : {} }
      codes.set(to, code)
    },
    '/code' ({ phoneNumber, code }) {
      codes.set(String(phoneNumber), String(code))
    },
  }
  const server = createServer((request, response) => {
    readJson(request).then(body => {
      const route = routes[request.url ?? '']
      if (route === undefined || typeof body !== 'object' || body === null) return void response.writeHead(404).end()
      route({ ...body })
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': 2 }).end('{}')
    }, () => response.writeHead(400).end())
  })
  server.keepAliveTimeout = 600_000
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', 4096, resolve))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return {
    url: `http://127.0.0.1:${address.port}`,
    codeOf (phoneNumber) {
      const code = codes.get(phoneNumber)
      if (code === undefined) throw new Error(`no code was delivered to ${phoneNumber}`)
      codes.delete(phoneNumber)
      return code
    },
    close: () => new Promise(resolve => {
      server.close(() => resolve())
      server.closeAllConnections()
    }),
  }
}

/** One verification by code: the request that sends it, and the one that checks it. */
export type CodeFlow = {
  url: string
  start (): { phoneNumber: string, request: string }
  check (phoneNumber: string, code: string, started: string): string
  /** Whether the body of the last response says that the number is verified. */
  isVerified (body: string): boolean
}

const successes = [200, 201]

/** `count` verifications by code, `inFlight` at once. Returns their latencies, from the start to the check's answer. */
export async function runCodeFlows (
  flow: CodeFlow, sink: Sink, { count, inFlight, maxMs }: { count: number, inFlight: number, maxMs: number },
): Promise<number[]> {
  const connections = await openConnections(flow.url, inFlight)
  const latenciesMs: number[] = []
  const startedAt = performance.now()
  let left = count
  try {
    await Promise.all(connections.map(async connection => {
      while (performance.now() - startedAt < maxMs && (left -= 1) >= 0) {
        const sentAt = performance.now()
        const { phoneNumber, request } = flow.start()
        const started = await exchange(connection, request, successes)
        const check = flow.check(phoneNumber, sink.codeOf(phoneNumber), started)
        const checked = await exchange(connection, check, successes)
        if (!flow.isVerified(checked)) throw new Error(`not verified: ${checked}`)
        latenciesMs.push(performance.now() - sentAt)
      }
    }))
  } finally {
    for (const connection of connections) connection.close()
  }
  return latenciesMs
}
