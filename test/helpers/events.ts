import { once } from 'node:events'
import { get, type IncomingHttpHeaders } from 'node:http'
import { until } from './redis.ts'

type Teardown = { teardown (run: () => unknown): void }

/** One event of a stream; `at` is when it came, on the clock of `performance.now()`. */
export type Told = { id: number, event: string, data: Record<string, any>, at: number }

export type EventStream = {
  status: number
  headers: IncomingHttpHeaders
  events: Told[]
  /** How often the server said nothing but that it is alive. */
  comments (): number
  /** What came in all, as text. */
  text (): string
  /** The event at that place, once it came. */
  told (index: number): Promise<Told>
  /** Resolves when the server ended it; `cut` when it was not ended as HTTP wants it. */
  ended: Promise<'ended' | 'cut'>
  hasEnded (): boolean
  /** Reads no more. */
  pause (): void
  resume (): void
  /** Goes away. */
  close (): void
}

/**
 * Opens an event stream on a connection of its own, and reads it as a browser does. It is closed when the test ends.
 */
export async function openEvents (
  t: Teardown, url: string, headers: Record<string, string> = {},
): Promise<EventStream> {
  const request = get(url, { agent: false, headers: { accept: 'text/event-stream', ...headers } })
  t.teardown(() => request.destroy())
  const [answer] = await once(request, 'response')
  request.on('error', () => undefined)
  const events: Told[] = []
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
  let isOver = false
  const ended = new Promise<'ended' | 'cut'>(resolve => {
    answer.on('error', () => undefined).on('close', () => {
      isOver = true
      resolve(answer.complete ? 'ended' : 'cut')
    })
  })
  return {
    status: answer.statusCode, headers: answer.headers, events, comments: () => comments, text: () => text, ended,
    hasEnded: () => isOver,
    async told (index) {
      await until(
        () => events.length > index, `event ${index} comes; so far ${events.map(({ event }) => event).join(', ')}`,
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
