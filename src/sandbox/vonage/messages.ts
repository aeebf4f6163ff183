import type { SimulatorContext } from '../simulator.ts'
import { provider } from './account.ts'
import type { Channel } from './new-request.ts'
import type { VerifyRequest, WorkflowEvent } from './workflow.ts'

const titles: Readonly<Record<Exclude<Channel, 'silent_auth'>, string>> = {
  sms: 'SMS', whatsapp: 'WhatsApp', voice: 'Voice call',
}

/** Shows the message or the call of an event on the phone; nothing where no code is correct. */
export function showMessage (
  { handset }: SimulatorContext, { phoneNumber, brand, pin }: VerifyRequest, { step: { channel } }: WorkflowEvent,
): void {
  if (channel === 'silent_auth' || pin === undefined) return
  const text = channel === 'voice'
    ? `Your ${brand} code is ${[...pin].join(', ')}.`
    : `Your ${brand} verification code is ${pin}`
  handset.show(phoneNumber, {
    provider, kind: channel === 'voice' ? 'call' : 'message', title: titles[channel], text, code: pin, choices: [],
  })
}
