import { createServer, type IncomingHttpHeaders } from 'node:http'
import { once } from 'node:events'
import type { Test } from 'tap'
import { type SimulatorOptions, type Simulators, startSimulators } from '../../src/sandbox/simulators.ts'

export type Received = {
  path: string, headers: IncomingHttpHeaders, text: string, body: Record<string, unknown>, at: number,
}

/**
 * A real HTTP server that keeps what is posted to it. `answer` gives the status of each, or nothing to leave it
 * unanswered.
 */
export async function startReceiver(
  t: Test, answer: (received: Received) => Promise<number> | number | undefined = () => 204,
) {
  const received: Received[] = []
  const arrivals = new EventTarget()
  const server = createServer((request, response) => {
    let text = ''
    request.setEncoding('utf8')
    request.on('data', (part: string) => { text += part })
    request.on('end', () => {
      const one = {
        path: request.url ?? '', headers: request.headers, text, body: JSON.parse(text), at: performance.now(),
      }
      received.push(one)
      void Promise.resolve(answer(one)).then(status => {
        if (status !== undefined) response.writeHead(status, status === 302 ? { location: '/elsewhere' } : {}).end()
      })
      arrivals.dispatchEvent(new Event('arrival'))
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  const address = server.address()
  const port = typeof address === 'object' ? address?.port : undefined

  return {
    url: `http://127.0.0.1:${port}`,
    received,

    /** Resolves with the first `count` arrivals, fails after `deadlineMs`. */
    async first (count: number, deadlineMs = 90_000): Promise<Received[]> {
      const deadline = AbortSignal.timeout(deadlineMs)
      while (received.length < count) await once(arrivals, 'arrival', { signal: deadline })
      return received.slice(0, count)
    },
  }
}

export type Receiver = Awaited<ReturnType<typeof startReceiver>>

/** Simulators that are closed with the test, and a gateway's callback routes that they post to. */
export async function start (
  t: Test, options: Partial<SimulatorOptions> & { answer?: (received: Received) => number | undefined } = {},
) {
  const gateway = await startReceiver(t, options.answer)
  const simulators = await startSimulators(
    { gatewayUrl: gateway.url, handsetDelayMs: 10, slowMs: 150, retryScale: 0.001, ...options },
  )
  t.teardown(() => simulators.close())
  return { simulators, gateway }
}

export type Answer = { status: number, type: string, headers: Headers, text: string, json: Record<string, unknown> }

/** One HTTP request without following redirects; `json` is empty if the answer is not JSON. */
export async function ask (
  url: string, method: string, headers: Record<string, string> = {}, body?: unknown,
): Promise<Answer> {
  const text = typeof body === 'string' ? body : JSON.stringify(body)
  const signal = AbortSignal.timeout(5000)
  const answer = await fetch(
    url, { method, headers, redirect: 'manual', signal, ...(text === undefined ? {} : { body: text }) },
  )
  const answerText = await answer.text()
  const type = answer.headers.get('content-type') ?? ''
  return {
    status: answer.status, type, headers: answer.headers, text: answerText,
    json: /json/.test(type) ? JSON.parse(answerText) : {},
  }
}

/** A setting, which is known to be there. */
export function setting (simulators: Simulators, name: string): string {
  return simulators.settings[name] ?? ''
}

/** Resolves once `condition` holds, fails after 3 s. */
export async function until (condition: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 3000
  while (!await condition()) {
    if (performance.now() > deadline) throw new Error('the condition did not come true in time')
    await new Promise(resolve => setImmediate(resolve))
  }
}
