import { apiKey, call, describeProblem, member, type Answer, type Verification } from './api.ts'
import { follow } from './follow.ts'

/** The verification that the page shows. `phoneNumber`: the simulated phone's. `startedAt`: ms since the epoch. */
export type Current = { id: string, clientSecret: string, phoneNumber: string, startedAt: number }

/** What the server of an app sends to create a verification. */
export type CreateRequest = {
  phoneNumber?: string, workflow: (string | object)[], expiresInSeconds?: number, onConflict: 'replace'
  returnUrl?: string
}

export type Listeners = {
  onStart (current: Current): void
  onState (verification: Verification): void
  onProblem (text: string): void
}

const storageName = 'verigate-sandbox'

export type Session = ReturnType<typeof createSession>

/** Creates a verification, follows it, and makes the calls of the app's server (API key) and front end (secret). */
export function createSession (listeners: Listeners) {
  let current: Current | null = null
  let following = new AbortController()

  function start (next: Current): void {
    following.abort()
    following = new AbortController()
    current = next
    sessionStorage.setItem(storageName, JSON.stringify(next))
    listeners.onStart(next)
    void follow(next.id, listeners.onState, following.signal)
  }

  async function send (path: string, credential: string, body: object): Promise<Answer | null> {
    if (current === null) return null
    const answer = await call('POST', `/verifications/${current.id}/${path}`, { body, credential }).catch(() => null)
    if (answer === null) listeners.onProblem('The gateway does not answer.')
    else if (answer.status >= 400) listeners.onProblem(describeProblem(answer))
    return answer
  }

  return {
    current: () => current,

    /** Null: created. Otherwise why not. */
    async create (request: CreateRequest, phoneNumber: string): Promise<string | null> {
      const startedAt = Date.now()
      const answer = await call('POST', '/verifications', { body: request, credential: apiKey }).catch(() => null)
      if (answer === null) return 'The gateway does not answer.'
      if (answer.status !== 201) return describeProblem(answer)
      const [id, clientSecret] = [member(answer.body, 'id'), member(answer.body, 'clientSecret')].map(String)
      start({ id: id ?? '', clientSecret: clientSecret ?? '', phoneNumber, startedAt })
      return null
    },

    /** Shows the verification of before a reload again. */
    resume (): void {
      const text = sessionStorage.getItem(storageName)
      if (text !== null) start(JSON.parse(text) as Current)
    },

    /** What the front end does with the client secret. */
    check: (evidence: object) => send('check', current?.clientSecret ?? '', evidence),
    next: (reason?: string) => send('next', current?.clientSecret ?? '', reason === undefined ? {} : { reason }),
    resend: () => send('resend', current?.clientSecret ?? '', {}),
    /** Only the app's server may cancel. */
    cancel: () => send('cancel', apiKey, {}),
  }
}
