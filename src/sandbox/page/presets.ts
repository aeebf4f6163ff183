import { numberFor } from './numbers.ts'

/** What is verified, and how. `hint`: what to do next, for a person. */
export type Plan = {
  phoneNumber: string, workflow: (string | { method: string, timeoutSeconds: number })[], hint: string
  expiresInSeconds?: number
}
export const methodOf = (item: Plan['workflow'][number]): string => typeof item === 'string' ? item : item.method

export type Preset = { id: string, title: string, text: string, plan: () => Plan }

const open = 'Open the link over mobile data on the phone.'

export const presets: readonly Preset[] = [
  {
    id: 'silent', title: 'Verified without a code', text: 'The mobile network identifies the SIM.',
    plan: () => ({
      phoneNumber: numberFor({ suffix: '00' }), workflow: ['truid.phone_check', 'otpless.otp'], hint: open,
    }),
  },
  {
    id: 'wifi', title: 'Wi-Fi: falls back to a code',
    text: 'The silent check is not possible, a message is sent instead.',
    plan: () => ({
      phoneNumber: numberFor({ suffix: '91', limit: '3', variant: '81' }),
      workflow: ['truid.phone_check', 'otpless.otp'], hint: `${open} Then use the code.`,
    }),
  },
  {
    id: 'code', title: 'A code by message', text: 'The person types a one-time code.',
    plan: () => ({
      phoneNumber: numberFor({ suffix: '02' }), workflow: ['otpless.otp'], hint: 'Use the code of the message.',
    }),
  },
  {
    id: 'push', title: 'Approve in Truecaller', text: 'A prompt appears in the app.',
    plan: () => ({
      phoneNumber: numberFor({ suffix: '04' }), workflow: ['truecaller.push', 'otpless.otp'],
      hint: 'Approve the prompt on the phone, or do nothing.',
    }),
  },
  {
    id: 'refusal', title: 'Truecaller: the user says no', text: 'A refusal is final: nothing else is tried.',
    plan: () => ({
      phoneNumber: numberFor({ suffix: '90', limit: '2' }), workflow: ['truecaller.web', 'otpless.otp'],
      hint: 'Open Truecaller on the phone, and refuse.',
    }),
  },
  {
    id: 'outage', title: 'Provider down', text: 'tru.ID answers 500. The next method verifies.',
    plan: () => ({
      phoneNumber: numberFor({ suffix: '96', limit: '3' }), workflow: ['truid.phone_check', 'otpless.otp'],
      hint: 'Use the code of the message.',
    }),
  },
  {
    id: 'vendors', title: 'SMS vendor down', text: 'Another vendor sends: your own service, by configuration.',
    plan: () => ({
      phoneNumber: numberFor({ suffix: '96', limit: '4' }), workflow: ['otpless.otp', 'acme.sms'],
      hint: 'Use the code of the message.',
    }),
  },
  {
    id: 'operator', title: 'The operator’s own API', text: 'CAMARA: the operator redirects the phone.',
    plan: () => ({
      phoneNumber: numberFor({ suffix: '00' }), workflow: ['camara.number_verification', 'twilio.sms'], hint: open,
    }),
  },
  {
    id: 'mismatch', title: 'Another person’s SIM', text: 'The network knows another number.',
    plan: () => ({
      phoneNumber: numberFor({ suffix: '01' }), workflow: ['truid.phone_check', 'otpless.otp'], hint: open,
    }),
  },
  {
    id: 'silence', title: 'Nobody answers', text: 'Truecaller stays silent. After 10 s a message is sent.',
    plan: () => ({
      phoneNumber: numberFor({ suffix: '92', limit: '2' }),
      workflow: [{ method: 'truecaller.push', timeoutSeconds: 10 }, 'otpless.otp'], hint: 'Wait, then use the code.',
    }),
  },
]
