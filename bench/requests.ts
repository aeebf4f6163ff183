import { writeRequest } from './connection.ts'
import { apiKey } from './gateway.ts'
import { sendMany } from './load.ts'

const authorization = `authorization: Bearer ${apiKey}\r\n`
let made = 0

/** A new number of this run. Consecutive numbers have different prefixes. */
export const newNumber = (): string => `+919${String((made += 1) * 7_919_317 % 1_000_000_000).padStart(9, '0')}`

/** A create with a new number and a new idempotency key. */
export const nextCreate = (method: string): string => newCreate(method).request

/** `reference` identifies its webhook, `phoneNumber` its message. */
export function newCreate (method: string): { reference: string, phoneNumber: string, request: string } {
  const phoneNumber = newNumber()
  const reference = `order-${made}`
  const body = JSON.stringify({ phoneNumber, workflow: [method], reference })
  const headers = `${authorization}idempotency-key: key-${made}\r\n`
  return { reference, phoneNumber, request: writeRequest('POST', '/verifications', { headers, body }) }
}

export const read = (id: string): string => writeRequest('GET', `/verifications/${id}`, { headers: authorization })

export const check = (id: string, code: string): string =>
  writeRequest('POST', `/verifications/${id}/check`, { headers: authorization, body: JSON.stringify({ code }) })

export const callback = (message: Record<string, string>): string =>
  writeRequest('POST', '/callbacks/truecaller', { body: JSON.stringify(message) })

export type CreatedAnswer = { id: string, nonce: string }

/** Creates `count` verifications, and returns what their callbacks need. */
export async function createMany (
  url: string, count: number, onCreated: (created: CreatedAnswer) => void,
): Promise<void> {
  await sendMany({
    url, count, status: 201, next: () => nextCreate('truecaller.web'),
    onAnswer ({ body }) {
      const text = body.toString('latin1')
      onCreated(
        { id: /"id":"(ver_[^"]+)"/.exec(text)?.[1] ?? '', nonce: /requestNonce=([\w-]+)/.exec(text)?.[1] ?? '' },
      )
    },
  })
}

/** Returns the items in order, again and again. */
export function cycle<T> (items: readonly T[]): () => T {
  let at = -1
  return () => {
    const item = items[at = (at + 1) % items.length]
    if (item === undefined) throw new Error('no items')
    return item
  }
}
