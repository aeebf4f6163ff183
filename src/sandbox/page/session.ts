import { apiKey, call, describeProblem, member, type Verification } from './api.ts'
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
  onReplaced (verification: Verification): void
}

const storageName = 'verigate-sandbox'

export type Session = ReturnType<typeof createSession>

/** Creates a verification and follows it with the API key, as the server of an app does. */
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

  /** The page has turned to the new verification of the number, but how the earlier one ended is of interest, too. */
  async function reportReplaced (id: string): Promise<void> {
    const answer = await call('GET', `/verifications/${id}`, { credential: apiKey }).catch(() => null)
    if (member(answer?.body, 'reason') === 'superseded') listeners.onReplaced(answer?.body as Verification)
  }

  return {
    current: () => current,

    /** Null: created. Otherwise why not. */
    async create (request: CreateRequest, phoneNumber: string): Promise<string | null> {
      const startedAt = Date.now()
      const answer = await call('POST', '/verifications', { body: request, credential: apiKey }).catch(() => null)
      if (answer === null) return 'The gateway does not answer.'
      if (answer.status !== 201) return describeProblem(answer)
      const earlier = current
      const [id, clientSecret] = [member(answer.body, 'id'), member(answer.body, 'clientSecret')].map(String)
      start({ id: id ?? '', clientSecret: clientSecret ?? '', phoneNumber, startedAt })
      if (earlier?.phoneNumber === phoneNumber) await reportReplaced(earlier.id)
      return null
    },

    /** Shows the verification of before a reload again, if it still exists. */
    async resume (): Promise<void> {
      const text = sessionStorage.getItem(storageName)
      if (text === null) return
      const earlier = JSON.parse(text) as Current
      const answer = await call('GET', `/verifications/${earlier.id}`, { credential: apiKey }).catch(() => null)
      if (answer?.status === 200) start(earlier)
    },

    /** Only the server of an app may cancel. Null: done. Otherwise why not. */
    async cancel (): Promise<string | null> {
      const answer = await call(
        'POST', `/verifications/${current?.id}/cancel`, { credential: apiKey },
      ).catch(() => null)
      if (answer === null) return 'The gateway does not answer.'
      return answer.status === 200 ? null : describeProblem(answer)
    },
  }
}
