import { randomBytes, randomUUID } from 'node:crypto'
import { createExpiringMap } from '../expiring-map.ts'
import { type Scenario, scenarioOf } from '../scenarios.ts'
import type { SimulatorContext } from '../simulator.ts'
import { provider } from './account.ts'
import type { NewRequest, Step } from './new-request.ts'
import { activeEvent, createWorkflow, type Observer, type VerifyRequest, type WorkflowEvent } from './workflow.ts'

export type Requests = ReturnType<typeof createRequests>

const rememberedMs = 2 * 60 * 60_000
const defaultTimeoutSeconds = 180
const defaultCodeLength = 4
const cancelAfterMs = 30_000
const maxWrongCodes = 3

/** The requests, and what their owner and their user do with them. */
export function createRequests (context: SimulatorContext, observer: Observer) {
  const { now } = context
  const workflow = createWorkflow(context, observer)
  const requests = createExpiringMap<VerifyRequest>(now, rememberedMs)
  const byCheckId = createExpiringMap<VerifyRequest>(now, rememberedMs)
  const byNumber = createExpiringMap<VerifyRequest>(now, rememberedMs)

  const live = (request: VerifyRequest | undefined): VerifyRequest | undefined =>
    request !== undefined && workflow.advance(request).status === 'pending' ? request : undefined

  return {
    /** A request by its id, also one that has ended. */
    find: (id: string): VerifyRequest | undefined => {
      const request = requests.get(id)
      return request === undefined ? undefined : workflow.advance(request)
    },
    findByCheckId: (id: string): VerifyRequest | undefined => live(byCheckId.get(id)),
    /** The request that is in flight for a number. */
    findByNumber: (phoneNumber: string): VerifyRequest | undefined => live(byNumber.get(phoneNumber)),
    moveOn: workflow.moveOn,

    create (given: NewRequest): VerifyRequest {
      const request = newRequest(given, now())
      requests.set(request.id, request)
      byCheckId.set(request.checkId, request)
      byNumber.set(request.phoneNumber, request)
      workflow.begin(request, request.events[0] as WorkflowEvent)
      return request
    },

    /** Judges a code. `noCode`: the phone has not brought one yet. */
    check (request: VerifyRequest, code: string | undefined): 'completed' | 'wrong' | 'gone' | 'noCode' {
      const isSilent = activeEvent(request)?.step.channel === 'silent_auth'
      const expected = isSilent ? request.silentCode : request.pin
      if (isSilent && expected === undefined) return 'noCode'
      if (code !== undefined && code === expected) {
        workflow.finish(request, 'completed')
        return 'completed'
      }
      request.wrongCodes += 1
      // "Only one attempt to submit the code" of a silent authentication, "a maximum of three times" for a PIN.
      if (!isSilent && request.wrongCodes < maxWrongCodes) return 'wrong'
      request.isGone = true
      workflow.finish(request, 'failed')
      return 'gone'
    },

    /** False: it is too early, or the second event has begun. */
    cancel (request: VerifyRequest): boolean {
      if (now() < request.submittedAt + cancelAfterMs || request.events[0]?.status !== 'active') return false
      request.status = 'canceled'
      return true
    },

    /** False: it was the last event. */
    next (request: VerifyRequest): boolean {
      if (!request.events.some(({ status }) => status === 'unused')) return false
      workflow.moveOn(request, 'failed')
      return true
    },

    /** The operator has identified the phone. */
    identify (request: VerifyRequest): string {
      return request.silentCode ??= randomBytes(6).toString('base64url').replace(/[-_]/g, 'x')
    },
  }
}

function newRequest (given: NewRequest, submittedAt: number): VerifyRequest {
  const { to: phoneNumber } = given.workflow[0] as Step
  const scenario = scenarioOf(phoneNumber, provider)
  return {
    id: randomUUID(), checkId: randomUUID(), phoneNumber, brand: given.brand, scenario, clientRef: given.client_ref,
    timeoutSeconds: given.channel_timeout ?? defaultTimeoutSeconds, submittedAt, status: 'pending',
    events: given.workflow.map(step => ({ step, status: 'unused', initiatedAt: null })),
    pin: pinFor(scenario, given), wrongCodes: 0, isGone: false, silentCode: undefined, walk: undefined,
    failuresLeft: scenario === 'flaky' ? 2 : 0,
  }
}

/** The last digits of the number, unless the request brings its own code. */
function pinFor (scenario: Scenario, { workflow, code, code_length: length = defaultCodeLength }: NewRequest) {
  if (scenario === 'silent' || scenario === 'rejected' || scenario === 'mismatch') return undefined
  return code ?? workflow[0]?.to.slice(-length)
}
