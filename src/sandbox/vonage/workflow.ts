import type { SimulatorContext } from '../simulator.ts'
import type { Channel, Step } from './new-request.ts'
import type { Scenario } from '../scenarios.ts'

/** `active`: the user may answer this step. */
export type EventStatus = 'unused' | 'active' | 'completed' | 'failed' | 'expired' | 'user_rejected'

/** One event of the workflow: a message, a call, or a silent authentication. */
export type WorkflowEvent = {
  step: Step
  status: EventStatus
  /** Milliseconds since the epoch; null: not begun. */
  initiatedAt: number | null
}

export type VerifyRequest = {
  id: string
  /** The id in `check_url`, which is another one than that of the request. */
  checkId: string
  phoneNumber: string
  brand: string
  scenario: Scenario
  clientRef: string | undefined
  timeoutSeconds: number
  submittedAt: number
  status: 'pending' | 'completed' | 'failed' | 'expired' | 'canceled'
  events: WorkflowEvent[]
  /** The code of messages; undefined: none is correct. */
  pin: string | undefined
  wrongCodes: number
  /** An incorrect code has been provided too many times. */
  isGone: boolean
  /** The code that the phone received; undefined until the operator has identified it. */
  silentCode: string | undefined
  /** The way through the operator's redirects that the phone goes. */
  walk: string | undefined
  failuresLeft: number
  readyAt?: number
}

/** What the parts around the requests do when one changes. */
export type Observer = {
  begun: (request: VerifyRequest, event: WorkflowEvent) => void
  ended: (request: VerifyRequest, event: WorkflowEvent) => void
  finished: (request: VerifyRequest) => void
}

const silentAuthSeconds = 60

/** The event that the user may answer. */
export const activeEvent = ({ events }: VerifyRequest): WorkflowEvent | undefined =>
  events.find(({ status }) => status === 'active')

export type Workflow = ReturnType<typeof createWorkflow>

/** How a request goes from one event of its workflow to the next, and ends. */
export function createWorkflow ({ now, timers }: Pick<SimulatorContext, 'now' | 'timers'>, observer: Observer) {
  const timeoutMs = ({ timeoutSeconds }: VerifyRequest, channel: Channel): number =>
    (channel === 'silent_auth' ? silentAuthSeconds : timeoutSeconds) * 1000

  function begin (request: VerifyRequest, event: WorkflowEvent): void {
    Object.assign(event, { status: 'active', initiatedAt: now() })
    observer.begun(request, event)
    timers.after(timeoutMs(request, event.step.channel), () => advance(request))
  }

  /** The active event ends, and the request with it. */
  function finish (request: VerifyRequest, status: 'completed' | 'failed'): void {
    const event = activeEvent(request)
    if (event !== undefined) {
      event.status = status
      observer.ended(request, event)
    }
    request.status = status
    observer.finished(request)
  }

  /** The active event ends, and the next one begins; without one, the request ends the same way. */
  function moveOn (request: VerifyRequest, status: 'failed' | 'expired' | 'user_rejected'): void {
    const event = activeEvent(request)
    if (event === undefined) return
    event.status = status
    observer.ended(request, event)
    const next = request.events.find(one => one.status === 'unused')
    if (next !== undefined) return begin(request, next)
    request.status = status === 'expired' ? 'expired' : 'failed'
    observer.finished(request)
  }

  /** Ends the event whose time is over. */
  function advance (request: VerifyRequest): VerifyRequest {
    const event = activeEvent(request)
    if (request.status === 'pending' && event !== undefined) {
      if (now() >= (event.initiatedAt ?? 0) + timeoutMs(request, event.step.channel)) moveOn(request, 'expired')
    }
    return request
  }

  return { begin, finish, moveOn, advance }
}
