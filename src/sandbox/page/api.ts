/** What the page reads of a verification: docs/front-end.md. */
export type NextAction = {
  type: string
  expiresAt: string
  url?: string
  app?: string
  sdk?: string
  finish?: string
  length?: number
  channels?: string[]
  attemptsRemaining?: number
  params?: { [name: string]: unknown }
}
export type Attempt = {
  id: string, method: string, provider: string, status: string, reason: string | null, startedAt: string
  endedAt: string | null, delivery?: { status: string, channel: string } | null
}
export type Verification = {
  id: string
  status: 'pending' | 'verified' | 'failed' | 'expired' | 'canceled'
  reason: string | null
  phoneNumber: string | null
  nextAction: NextAction | null
  availableActions: { action: string, availableAt: string, remaining?: number }[]
  workflow: { method: string }[]
  attempts: Attempt[]
  result: {
    phoneNumber: string, method: string
    assurance: { level: number, possession: string, binding: string, restricted: boolean }
  } | null
  revision: number
  createdAt: string
  updatedAt: string
}
export type Provider = {
  provider: string, methods: { method: string, needsPhoneNumber: boolean, needsReturnUrl: boolean, userStep: string }[],
}
export type Settings = { simulatorsUrl: string, webhook: { url: string, secret: string } }

/** A request that changed something, for the panel with its code. */
export type Recorded = {
  method: string, url: string, credential: string | null, body: string | null, status: number, answer: string
}

export const apiKey = 'vgk_sandbox'

/** Calls `listener` after every request of this page that is not a GET, also those of other scripts. */
export function recordRequests (listener: (recorded: Recorded) => void): void {
  const send = globalThis.fetch
  globalThis.fetch = async (input, options) => {
    const method = options?.method ?? 'GET'
    if (method === 'GET') return send(input, options)
    const recorded = {
      method, url: new URL(String(input), location.href).href,
      credential: new Headers(options?.headers).get('authorization'),
      body: typeof options?.body === 'string' ? options.body : null,
    }
    // Not aborted: `<phone-verification>` gives up an answer when the event stream was faster, and it is shown here.
    const answered = send(input, { ...options, signal: null }).then(async response => {
      listener({ ...recorded, status: response.status, answer: await response.clone().text() })
      return response
    })
    const { signal } = options ?? {}
    return signal ? Promise.race([answered, rejectOnAbort(signal)]) : answered
  }
}

const rejectOnAbort = (signal: AbortSignal): Promise<never> => new Promise((_resolve, reject) => {
  signal.addEventListener('abort', () => reject(signal.reason))
})

export type Answer = { status: number, body: unknown }

/** One request with JSON. `credential`: an API key or a client secret. Rejects only when there is no answer. */
export async function call (
  method: string, url: string, { body, credential, signal }: {
    body?: object, credential?: string, signal?: AbortSignal,
  } = {},
): Promise<Answer> {
  const response = await fetch(url, {
    method,
    headers: {
      ...credential === undefined ? {} : { authorization: `Bearer ${credential}` },
      ...body === undefined ? {} : { 'content-type': 'application/json' },
    },
    ...body === undefined ? {} : { body: JSON.stringify(body) },
    ...signal === undefined ? {} : { signal },
  })
  const text = await response.text()
  return { status: response.status, body: text === '' ? null : parse(text) }
}

function parse (text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

/** A member of an answer; undefined where it is no object. */
export const member = (value: unknown, name: string): unknown =>
  typeof value === 'object' && value !== null ? Object.entries(value).find(([key]) => key === name)?.[1] : undefined

/** The words of a problem, for a person. */
export const describeProblem = ({ status, body }: Answer): string =>
  String(member(body, 'detail') ?? member(body, 'message') ?? `The answer was ${status}`)
