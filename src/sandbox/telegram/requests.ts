import { randomInt } from 'node:crypto'
import { createExpiringMap } from '../expiring-map.ts'
import type { Scenario } from '../scenarios.ts'
import type { SimulatorContext } from '../simulator.ts'
import { cost, GatewayError, scenarioIn, startBalance } from './account.ts'
import type { Message } from './parameters.ts'

type DeliveryWord = 'sent' | 'delivered' | 'read' | 'expired' | 'revoked'
type VerificationWord = 'code_valid' | 'code_invalid' | 'code_max_attempts_exceeded' | 'expired'

/** Times in milliseconds. */
export type VerificationRequest = {
  readonly id: string
  /** Digits without `+`. */
  readonly phoneNumber: string
  readonly scenario: Scenario
  message?: Message
  expiresAt?: number
  delivery?: { status: DeliveryWord, at: number }
  verification?: { status: VerificationWord, at: number, codeEntered?: string }
  isRefunded: boolean
  wrongCodes: number
  failuresLeft: number
}

/** How long a request is known, and after how many wrong codes it takes no more: neither is documented. */
const rememberedMs = 86_400_000
const maxWrongCodes = 5

export type Requests = ReturnType<typeof createRequests>

/** The requests of the account, and what it has left. */
export function createRequests ({ now }: Pick<SimulatorContext, 'now'>) {
  const requests = createExpiringMap<VerificationRequest>(now, rememberedMs)
  let balance = startBalance

  function deliver (request: VerificationRequest, status: DeliveryWord): void {
    request.delivery = { status, at: now() }
  }

  function judge (request: VerificationRequest, status: VerificationWord, codeEntered?: string): void {
    request.verification = { status, at: now(), ...codeEntered === undefined ? {} : { codeEntered } }
  }

  return {
    /** Begins a request, which costs one fee. */
    create (phoneNumber: string): VerificationRequest {
      if (balance < cost) throw new GatewayError('BALANCE_NOT_ENOUGH')
      balance -= cost
      const scenario = scenarioIn(phoneNumber)
      const request: VerificationRequest = {
        id: String(randomInt(1e11, 1e12)), phoneNumber, scenario, isRefunded: false, wrongCodes: 0,
        failuresLeft: scenario === 'flaky' ? 2 : 0,
      }
      requests.set(request.id, request)
      return request
    },

    find (id: string | undefined): VerificationRequest {
      if (id === undefined || id === '') throw new GatewayError('REQUEST_ID_REQUIRED')
      const request = requests.get(id)
      if (request === undefined) throw new GatewayError('REQUEST_ID_INVALID')
      return request
    },

    send (request: VerificationRequest, message: Message): void {
      if (request.phoneNumber !== message.phoneNumber) throw new GatewayError('PHONE_NUMBER_MISMATCH')
      if (request.message !== undefined) throw new GatewayError('MESSAGE_ALREADY_SENT')
      request.message = message
      if (message.ttlSeconds !== undefined) request.expiresAt = now() + message.ttlSeconds * 1000
      deliver(request, 'sent')
    },

    /** The message was not delivered in its time: the fee comes back. */
    expire (request: VerificationRequest): void {
      if (request.delivery?.status !== 'sent') return
      deliver(request, 'expired')
      request.isRefunded = true
      balance += cost
    },

    deliver,

    /** Does not delete a message that was delivered or read. */
    revoke (request: VerificationRequest): void {
      if (request.delivery?.status === 'sent') deliver(request, 'revoked')
    },

    /** Compares a code, which is final when it is right. */
    check (request: VerificationRequest, code: string): void {
      const { verification, message, scenario } = request
      if (verification?.status === 'code_valid' || verification?.status === 'code_max_attempts_exceeded') return
      const isOver = request.expiresAt !== undefined && request.expiresAt <= now()
      if (isOver || scenario === 'evidenceExpired') return judge(request, 'expired', code)
      if (code === message?.code && scenario !== 'mismatch') return judge(request, 'code_valid', code)
      request.wrongCodes += 1
      judge(request, request.wrongCodes < maxWrongCodes ? 'code_invalid' : 'code_max_attempts_exceeded', code)
    },

    /** A RequestStatus. `isCharged`: the answer of the call that cost the fee. */
    describe: (request: VerificationRequest, { isCharged = false } = {}): object =>
      describe(request, isCharged ? balance : null),
  }
}

/** An unusual one has the members that it does not need as null, and texts for numbers. */
function describe (request: VerificationRequest, balance: number | null): object {
  const { id, phoneNumber, delivery, verification, message, isRefunded, scenario } = request
  const isUnusual = scenario === 'unusual'
  const number = (value: number): number | string => isUnusual ? String(value) : value
  const members = {
    request_id: id, phone_number: isUnusual ? phoneNumber : `+${phoneNumber}`, request_cost: number(cost / 1000),
    is_refunded: isRefunded ? true : null,
    remaining_balance: balance === null ? null : number(balance / 1000),
    delivery_status: delivery === undefined
      ? null
      : { status: delivery.status, updated_at: number(Math.floor(delivery.at / 1000)) },
    verification_status: verification === undefined ? null : {
      status: verification.status, updated_at: number(Math.floor(verification.at / 1000)),
      ...verification.codeEntered === undefined ? {} : { code_entered: verification.codeEntered },
    },
    payload: message?.payload ?? null,
  }
  return isUnusual ? members : Object.fromEntries(Object.entries(members).filter(([, value]) => value !== null))
}
