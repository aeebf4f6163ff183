import { randomUUID } from 'node:crypto'
import { createExpiringMap } from '../expiring-map.ts'
import { type Scenario, scenarioOf } from '../scenarios.ts'
import { describeSim } from './sim.ts'
import type { SimulatorContext } from '../simulator.ts'

export const versions = ['v0.1', 'v0.2'] as const
export type Version = typeof versions[number]
/** The products whose check URL a phone opens. */
export const products = ['phone_check', 'subscriber_check'] as const
export type Product = typeof products[number]

type ErrorCode = keyof typeof errorDescriptions

export const errorDescriptions = {
  not_mobile_ip: 'Not a mobile IP', mno_not_supported: 'Mobile Network Operator Not Supported',
  mno_timeout: 'MNO timeout', mno_user_not_found: 'MNO user not found', mno_response_error: 'MNO response error',
  mno_server_error: 'MNO server error', mno_no_data_available: 'MNO no data available', ip_mismatch: 'IP mismatch',
  ip_msisdn_mismatch: 'ip_msisdn_mismatch',
}

export type Check = {
  readonly id: string
  readonly product: Product
  readonly version: Version
  readonly phoneNumber: string
  readonly scenario: Scenario
  /** Minutes in which a change of the SIM counts. */
  readonly period: number | undefined
  readonly referenceId: string | undefined
  readonly callbackUrl: string | undefined
  readonly redirectUrl: string | undefined
  readonly createdAt: number
  updatedAt: number
  status: 'ACCEPTED' | 'PENDING' | 'COMPLETED' | 'EXPIRED' | 'ERROR'
  match?: boolean
  errorCode?: ErrorCode
  /** Identifies the device's current walk through the operator's redirects. */
  walk?: string
  walked: boolean
  code?: string
  failuresLeft: number
}

export type End = Pick<Check, 'status' | 'match' | 'errorCode'>
export type NewCheck =
  Pick<Check, 'product' | 'version' | 'phoneNumber' | 'period' | 'referenceId' | 'callbackUrl' | 'redirectUrl'>
/** The headers of a callback, computed for every try. */
export type SignHeaders = (body: string, url: URL, product: Product) => Promise<Record<string, string>>

export type Checks = ReturnType<typeof createChecks>

/** `ttlSeconds`: documented is 120, the guide's sample has 60. */
export type CheckSettings = { ttlSeconds: number }

export const provider = 'truid'
/** A day longer than traces, so that "gone" can be told apart from "not found". */
const rememberedMs = 8 * 86_400_000
const maxUnfinished = 100_000
/** The price of a check in the currency `API`, and what the workspace has of it at the start. */
const chargeAmount = 1
const initialBalance = 1_000_000

/** Documented: "10 s, interval +10 s each time, until the interval is one minute, then stop". */
export const retryDelaysMs = [10_000, 20_000, 30_000, 40_000, 50_000, 60_000]

/** What the operator's answer makes of a check. */
export const operatorErrors: Partial<Record<Scenario, ErrorCode>> = {
  unsupported: 'mno_not_supported', redirectUnsupported: 'mno_not_supported', error: 'mno_server_error',
  operatorTimeout: 'mno_timeout', operatorUnclear: 'mno_response_error', subscriberUnknown: 'mno_user_not_found',
  noData: 'mno_no_data_available', notCellular: 'not_mobile_ip', otherDevice: 'ip_msisdn_mismatch',
  otherAddress: 'ip_mismatch',
}

export function timestamp (at: number): string {
  return `${new Date(at).toISOString().slice(0, 19)}+00:00`
}

/** The scenario of a number. In v0.1 there is no code that could be invalid. */
export function scenarioIn (version: Version, phoneNumber: string): Scenario {
  const scenario = scenarioOf(phoneNumber, provider)
  return scenario === 'evidenceInvalid' && version === 'v0.1' ? 'error' : scenario
}

/** The operator's network, known once the check is completed. */
export function networkOf (check: Check): string | null | undefined {
  if (check.status === 'COMPLETED') return '23599'
  return check.scenario === 'unusual' ? null : undefined
}

/** What a completed check of this product says about the SIM. */
export function simOf ({ product, status, scenario, period }: Check) {
  return product === 'subscriber_check' && status === 'COMPLETED' ? describeSim(scenario, period) : undefined
}

/**
 * The members of a check that every answer of every product and version has. Only a completed check is charged for.
 */
function describe (check: Check) {
  const isFree = check.status === 'ERROR' || check.status === 'EXPIRED'
  const amount = isFree ? 0 : chargeAmount
  const nothing = check.scenario === 'unusual' ? null : undefined
  const sim = simOf(check)
  return {
    check_id: check.id,
    reference_id: check.referenceId ?? nothing,
    status: check.status,
    match: check.match ?? nothing,
    no_sim_change: sim?.no_sim_change,
    sim_change_within: sim?.sim_change_within,
    error_code: check.errorCode ?? nothing,
    charge_amount: check.scenario === 'unusual' ? String(amount) : amount,
    charge_currency: 'API',
    created_at: timestamp(check.createdAt),
    updated_at: check.status === 'ACCEPTED' ? nothing : timestamp(check.updatedAt),
  }
}

/** What the workspace has left, less what all unfinished checks may cost. */
export type Account = ReturnType<typeof createAccount>

function createAccount () {
  let balance = initialBalance
  return {
    charge: () => { balance -= chargeAmount },
    refund: () => { balance += chargeAmount },
    balance: () => balance,
    set: (amount: number) => { balance = amount },
  }
}

/**
 * The checks of PhoneCheck and SubscriberCheck and their life: ACCEPTED → PENDING → COMPLETED, ERROR, or EXPIRED `ttl`
 * seconds after the creation.
 */
export function createChecks (context: SimulatorContext, signHeaders: SignHeaders, { ttlSeconds }: CheckSettings) {
  const { now, timers } = context
  const account = createAccount()
  const checks = createExpiringMap<Check>(now, rememberedMs)
  const unfinished = new Map<string, Check>()

  async function finish (check: Check, end: End): Promise<void> {
    if (!unfinished.delete(check.id)) return
    Object.assign(check, end, { updatedAt: now() })
    if (check.status !== 'COMPLETED') account.refund()
    if (check.callbackUrl === undefined || check.scenario === 'silent' || check.scenario === 'rejected') return
    await context.callbacks.send({
      provider,
      url: check.callbackUrl,
      body: {
        ...describe(check), no_sim_change_period: simOf(check)?.no_sim_change_period, network_id: networkOf(check),
      },
      headers: (body, url) => signHeaders(body, url, check.product),
      retryDelaysMs: retryDelaysMs.map(delayMs => delayMs * context.retryScale),
      copies: check.scenario === 'repeated' ? 3 : 1,
    })
  }

  function expireOld (): void {
    for (const check of unfinished.values()) {
      if (check.createdAt + ttlSeconds * 1000 > now() && unfinished.size <= maxUnfinished) return
      void finish(check, { status: 'EXPIRED' })
    }
  }
  timers.every(250, expireOld)

  return {
    account,
    describe,
    finish,
    ttlSeconds,

    complete: (check: Check): Promise<void> =>
      finish(check, { status: 'COMPLETED', match: check.scenario !== 'mismatch' }),

    create (given: NewCheck): Check {
      const scenario = scenarioIn(given.version, given.phoneNumber)
      const createdAt = now()
      account.charge()
      const check: Check = {
        ...given, id: randomUUID(), scenario, createdAt, updatedAt: createdAt, status: 'ACCEPTED', walked: false,
        failuresLeft: scenario === 'flaky' ? 2 : 0,
      }
      checks.set(check.id, check)
      unfinished.set(check.id, check)
      return check
    },

    find (product: Product, version: Version, id: string): Check | undefined {
      expireOld()
      const check = checks.get(id)
      return check?.version === version && check.product === product ? check : undefined
    },
  }
}
