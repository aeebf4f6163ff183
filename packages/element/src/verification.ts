/** What the element reads of a verification, as a client secret sees it. Unknown members and values are tolerated. */
export type Verification = {
  id: string
  status: 'pending' | 'verified' | 'failed' | 'expired' | 'canceled'
  reason: string | null
  /** Masked. */
  phoneNumber: string | null
  /** Null when the verification is final. */
  nextAction: Action | null
  availableActions: readonly AvailableAction[]
  workflow: readonly unknown[]
  /** The last one is the present one. */
  attempts: readonly { id: string, provider: string, status: string, reason: string | null }[]
  revision: number
  updatedAt: string
}

export type AvailableAction = { action: string, availableAt: string, remaining?: number }

/** The union of all types: which members are present depends on `type`. */
export type Action = {
  type: string
  url?: string
  finish?: string
  app?: string
  platforms?: readonly string[]
  notOpenedAfterMs?: number
  sdk?: string
  params?: Readonly<Record<string, unknown>>
  length?: number
  channels?: readonly string[]
  attemptsRemaining?: number
  autofill?: { webOtp?: string }
}

/** What the gateway accepts in `check`. `{}`: the device is done. */
export type Evidence = { code: string } | { token: string } | Record<string, string>

export const isFinal = ({ status }: Verification): boolean => status !== 'pending'

/** Names the thing to do: it changes with the attempt and the type, not with every revision. */
export const actionKey = ({ attempts, nextAction }: Verification): string =>
  `${attempts.at(-1)?.id ?? ''} ${nextAction?.type ?? ''}`
