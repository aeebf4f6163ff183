import { writeRequest } from './connection.ts'
import { apiKey } from './gateway.ts'

const authorization = `authorization: Bearer ${apiKey}\r\n`
let made = 0

/** A new number of this run. Consecutive numbers have different prefixes. */
export const newNumber = (): string => `+919${String(made * 7_919_317 % 1_000_000_000).padStart(9, '0')}`

/** A create with a new idempotency key and, with `withNumber`, a new number. */
export function nextCreate (method: string, { withNumber = true }: { withNumber?: boolean } = {}): string {
  made += 1
  const body = JSON.stringify(
    { ...(withNumber ? { phoneNumber: newNumber() } : {}), workflow: [method], reference: `order-${made}` },
  )
  return writeRequest('POST', '/verifications', { headers: `${authorization}idempotency-key: key-${made}\r\n`, body })
}

/** A create whose callback the provider sends by itself. `reference` identifies its webhook. */
export function newLifecycle (): { reference: string, request: string } {
  const request = nextCreate('truecaller.push')
  return { reference: `order-${made}`, request }
}

export const read = (id: string, query = ''): string =>
  writeRequest('GET', `/verifications/${id}${query}`, { headers: authorization })

export const callback = (message: Record<string, string>): string =>
  writeRequest('POST', '/callbacks/truecaller', { body: JSON.stringify(message) })
