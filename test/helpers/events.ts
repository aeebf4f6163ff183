import { once } from 'node:events'
import { get, type IncomingHttpHeaders } from 'node:http'
import { until } from './redis.ts'

type Teardown = { teardown (run: () => unknown): void }

/** One event of a stream; `at` is its time of arrival, as of `performance.now()`. */
export type ReceivedEvent = { id: number, event: string, data: Record<string, any>, at: number }

export type EventStream = {
  status: number
  headers: IncomingHttpHeaders
  events: ReceivedEvent[]
  /** Number of heartbeats. */
  comments (): number
  /** Everything received, as text. */
  text (): string
  /** Waits for the event with this index. */
  received (index: number): Promise<ReceivedEvent>
  /** Resolves when the connection is closed; `cut`: the response is incomplete. */
  ended: Promise<'ended' | 'cut'>
  hasEnded (): boolean
  /** Stops reading. */
  pause (): void
  resume (): void
  /** Closes the connection. */
  close (): void
}

/** Opens an event stream on its own connection, and parses it like a browser. Closed when the test ends. */
export async function openEvents (
  t: Teardown, url: string, headers: Record<string, string> = {},
): Promise<EventStream> {
  const request = get(url, { agent: false, headers: { accept: 'text/event-stream', ...headers } })
  t.teardown(() => request.destroy())
  const [answer] = await once(request, 'response')
  request.on('error', () => undefined)
  const events: ReceivedEvent[] = []
  let comments = 0
  let text = ''
  let rest = ''
  answer.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk
    const blocks = (rest + chunk).split('\n\n')
    rest = blocks.pop() ?? ''
    for (const block of blocks) {
      const fields = Object.fromEntries(
        block.split('\n').map(line => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)]),
      )
      if (block.startsWith(':')) comments += 1
      if (fields['data'] === undefined) continue
      events.push(
        {
          id: Number(fields['id']), event: fields['event'] ?? '', data: JSON.parse(fields['data']),
          at: performance.now(),
        },
      )
    }
  })
  let isClosed = false
  const ended = new Promise<'ended' | 'cut'>(resolve => {
    answer.on('error', () => undefined).on('close', () => {
      isClosed = true
      resolve(answer.complete ? 'ended' : 'cut')
    })
  })
  return {
    status: answer.statusCode, headers: answer.headers, events, comments: () => comments, text: () => text, ended,
    hasEnded: () => isClosed,
    async received (index) {
      await until(
        () => events.length > index, `event ${index} arrives; so far ${events.map(({ event }) => event).join(', ')}`,
      )
      const event = events[index]
      if (event === undefined) throw new Error('no such event')
      return event
    },
    pause: () => answer.pause(),
    resume: () => answer.resume(),
    close: () => request.destroy(),
  }
}
