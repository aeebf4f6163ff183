import { ask, setting, start, type Answer } from '../receiver.ts'
import type { Test } from 'tap'

export type Started = Awaited<ReturnType<typeof start>>

export const json = { 'content-type': 'application/json' }

/** The headers of every call of a server. */
export const credentials = ({ simulators }: Started): Record<string, string> => ({
  clientId: setting(simulators, 'OTPLESS_CLIENT_ID'), clientSecret: setting(simulators, 'OTPLESS_CLIENT_SECRET'),
})

export const post = (
  started: Started, path: string, body: unknown, headers: Record<string, string> = {},
): Promise<Answer> => ask(
  `${started.simulators.url}${path}`, 'POST', { ...json, ...credentials(started), ...headers }, body,
)

export const get = (started: Started, path: string, headers: Record<string, string> = {}): Promise<Answer> =>
  ask(`${started.simulators.url}${path}`, 'GET', { ...credentials(started), ...headers })

/** `POST /auth/v1/status` */
export const statusOf = (started: Started, requestId: unknown): Promise<Answer> =>
  post(started, '/auth/v1/status', { requestId })

export const verifyCode = (started: Started, code: unknown): Promise<Answer> =>
  post(started, '/auth/v1/verify/code', { code })

/** The answer is an error in the documented shape. */
export function refused (t: Test, answer: Answer, status: number, errorCode: string, about = ''): void {
  t.equal(answer.status, status, about)
  t.match(answer.json, { errorCode, message: String, description: String }, about)
}

/** What the phone with this number shows, oldest first. */
export async function itemsOf ({ simulators }: Started, phoneNumber: string): Promise<Record<string, unknown>[]> {
  const { json: { data } } = await ask(
    `${simulators.url}/handset/items?phoneNumber=${encodeURIComponent(phoneNumber)}`, 'GET',
  )
  return data as Record<string, unknown>[]
}

/** A choice of the person on the phone. */
export const choose = ({ simulators }: Started, item: Record<string, unknown> | undefined, choice: string) =>
  ask(`${simulators.url}/handset/items/${String(item?.['id'])}`, 'POST', json, { choice })
