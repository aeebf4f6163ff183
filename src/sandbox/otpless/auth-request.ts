import type { Scenario } from '../scenarios.ts'
import type { SnaErrorCode } from './errors.ts'
import type { Identity } from './user.ts'

/** The `channel` of an identity that a request proves. */
export type RequestMethod = 'OTP' | 'MAGIC_LINK' | 'OTP_LINK' | 'OAUTH' | 'VOICE_APPROVAL' | 'SILENT_AUTH'

/** Whom a request is about: a number (digits without `+`) or an e-mail address; neither until an OAuth page is used. */
export type Person = { digits?: string | undefined, email?: string | undefined }

/** What an initiate call started. `NOT_STARTED`: created for the SDK, which has not begun. */
export type AuthRequest = {
  readonly id: string
  readonly authSessionId: string
  readonly traceId: string
  readonly method: RequestMethod
  readonly expiresAt: number
  readonly metadata: Readonly<Record<string, unknown>>
  readonly correlationId?: string | undefined
  /** The operator that the caller named: mcc and mnc. */
  readonly sim?: { mcc: number, mnc: number } | undefined
  /** The typed code that proves it, too. */
  readonly otp?: string | undefined
  person: Person
  scenario: Scenario
  /** The one that is in use; a message can change it. */
  channel: string
  status: 'NOT_STARTED' | 'INIT' | 'PENDING' | 'SUCCESS' | 'DECLINE' | 'FAILED'
  /** The end is decided, although the status may not show it yet. */
  isDecided: boolean
  failuresLeft: number
  readyAt?: number
  error?: SnaErrorCode
  token?: string
  completedAt?: number
  identities: readonly Identity[]
}

/** A number with `+`, or an e-mail address. */
export const addressOf = ({ digits, email = '' }: Person): string => digits === undefined ? email : `+${digits}`
