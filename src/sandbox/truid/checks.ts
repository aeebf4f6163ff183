import { randomBytes, randomUUID } from 'node:crypto'
import { createExpiringMap } from '../expiring-map.ts'
import { type Scenario, scenarioOf } from '../scenarios.ts'
import type { SimulatorContext } from '../simulator.ts'

export type Version = 'v0.1' | 'v0.2'

type ErrorCode = 'mno_not_supported' | 'mno_server_error' | 'not_mobile_ip' | 'ip_msisdn_mismatch'

export type Check = {
  readonly id: string
  readonly version: Version
  readonly scenario: Scenario
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

type End = Pick<Check, 'status' | 'match' | 'errorCode'>

export type Checks = ReturnType<typeof createChecks>

/** `ttlSeconds`: documented is 120, the guide's sample has 60. */
export type CheckSettings = { ttlSeconds: number }

export type NewCheck = Pick<Check, 'version' | 'referenceId' | 'callbackUrl' | 'redirectUrl'> & { phoneNumber: string }

export const provider = 'truid'
const rememberedMs = 60 * 60_000
const maxUnfinished = 100_000
/** The price of a check in the currency `API`, and what the workspace has of it at the start. */
const chargeAmount = 1
const initialBalance = 1_000_000

/** Documented: "10 s, interval +10 s each time, until the interval is one minute, then stop". */
export const retryDelaysMs = [10_000, 20_000, 30_000, 40_000, 50_000, 60_000]

const operatorErrors: Partial<Record<Scenario, ErrorCode>> = {
  unsupported: 'mno_not_supported', error: 'mno_server_error', notCellular: 'not_mobile_ip',
  otherDevice: 'ip_msisdn_mismatch',
}

function timestamp (at: number): string {
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

/** The members of a check that every answer of every version has. Only a completed check is charged for. */
function describe (check: Check) {
  const isFree = check.status === 'ERROR' || check.status === 'EXPIRED'
  const amount = isFree ? 0 : chargeAmount
  const nothing = check.scenario === 'unusual' ? null : undefined
  return {
    check_id: check.id,
    reference_id: check.referenceId ?? nothing,
    status: check.status,
    match: check.match ?? nothing,
    error_code: check.errorCode ?? nothing,
    charge_amount: check.scenario === 'unusual' ? String(amount) : amount,
    charge_currency: 'API',
    created_at: timestamp(check.createdAt),
    updated_at: check.status === 'ACCEPTED' ? nothing : timestamp(check.updatedAt),
  }
}

/**
 * The checks of PhoneCheck and their life: ACCEPTED → PENDING → COMPLETED, ERROR, or EXPIRED `ttl` seconds after the
 * creation.
 */
export function createChecks (
  context: SimulatorContext, signHeaders: (body: string, url: URL) => Promise<Record<string, string>>,
  { ttlSeconds }: CheckSettings,
) {
  const { now, timers } = context
  let balance = initialBalance
  const checks = createExpiringMap<Check>(now, rememberedMs)
  const unfinished = new Map<string, Check>()

  async function finish (check: Check, end: End): Promise<void> {
    if (!unfinished.delete(check.id)) return
    Object.assign(check, end, { updatedAt: now() })
    if (check.status !== 'COMPLETED') balance += chargeAmount
    if (check.callbackUrl === undefined || check.scenario === 'silent' || check.scenario === 'rejected') return
    await context.callbacks.send({
      provider,
      url: check.callbackUrl,
      body: { ...describe(check), network_id: networkOf(check) },
      headers: signHeaders,
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

  function complete (check: Check): Promise<void> {
    return finish(check, { status: 'COMPLETED', match: check.scenario !== 'mismatch' })
  }

  const { startWalk, endWalk, walkByItself } = createWalks(context, finish, complete)

  return {
    describe,
    complete,
    startWalk,
    endWalk,
    ttlSeconds,

    /** The balance of the workspace, less what all unfinished checks may cost. */
    balance: () => balance,
    setBalance (amount: number): void { balance = amount },

    create ({ phoneNumber, ...given }: NewCheck): Check {
      const scenario = scenarioIn(given.version, phoneNumber)
      const createdAt = now()
      balance -= chargeAmount
      const state = {
        status: 'ACCEPTED', walked: false, updatedAt: createdAt, failuresLeft: scenario === 'flaky' ? 2 : 0,
      } as const
      const check: Check = { ...given, ...state, id: randomUUID(), scenario, createdAt }
      checks.set(check.id, check)
      unfinished.set(check.id, check)
      // In v0.2 the code returns through the browser that opens the URL, so only a phone outside can open it.
      if (check.version === 'v0.1') void walkByItself(check)
      return check
    },

    find (version: Version, id: string): Check | undefined {
      expireOld()
      const check = checks.get(id)
      return check?.version === version ? check : undefined
    },
  }
}

/** A device's way through the operator's redirects. */
function createWalks (
  { now, timers, slowMs, handsetDelayMs }: SimulatorContext,
  finish: (check: Check, end: End) => Promise<void>,
  complete: (check: Check) => Promise<void>,
) {
  function startWalk (check: Check): string {
    check.status = 'PENDING'
    check.updatedAt = now()
    check.walk = randomBytes(12).toString('base64url')
    return check.walk
  }

  /** The operator has identified the device. Resolves when it answers; for a silent number, never. */
  async function endWalk (check: Check): Promise<void> {
    if (check.scenario === 'silent' || check.scenario === 'rejected') return new Promise(() => {})
    if (check.scenario === 'slow') await timers.sleep(slowMs)
    const errorCode = operatorErrors[check.scenario]
    if (errorCode !== undefined) return void finish(check, { status: 'ERROR', errorCode })
    if (check.scenario === 'evidenceExpired') return void finish(check, { status: 'EXPIRED' })
    check.walked = true
    check.code = randomBytes(8).toString('hex')
    // v0.1 fetches the operator's result when the check is read, and otherwise receives it later.
    if (check.version === 'v0.1') timers.after(handsetDelayMs, () => void complete(check))
  }

  /** The phone opens the URL without an app that asks it to. */
  async function walkByItself (check: Check): Promise<void> {
    await timers.sleep(handsetDelayMs)
    if (check.status !== 'ACCEPTED') return
    startWalk(check)
    await endWalk(check)
  }

  return { startWalk, endWalk, walkByItself }
}
