import type { Test } from 'tap'
import type { Simulator } from '../../../src/sandbox/simulator.ts'
import type { Exchange } from '../../helpers/contracts.ts'
import {
  build, call, latestMessage, oneTimePassword, type Started, tokenOfClient, tokenOfPhone,
} from './client.ts'

/** What the operators of the scenarios have to provide. A third-last digit of 1 concerns every provider. */
export const assets = {
  phone_number: '+34666111102', message: '{{code}} is your code', max_try: 3, max_send: 3, max_length: 160,
} as const

/** What one scenario has prepared, sent and received. */
export type World = {
  t: Test
  started: Started
  elapse: (ms: number) => void
  /** Null until the feature or its background names it. */
  method: 'GET' | 'POST'
  path: string
  correlator: string
  /** Made when the request is sent. Null: no header. */
  token: () => Promise<string | null>
  /** Undefined: no body. */
  body: Record<string, unknown> | undefined
  sent: (Exchange & { json: Record<string, unknown> }) | null
  /** Sends what is prepared, if that has not happened yet: one scenario has no step for it. */
  send: () => Promise<Exchange & { json: Record<string, unknown> }>
  /** What is wrong with an answer by the official description. */
  problemsOf: (exchange: Exchange) => string[]
  /** A token of the phone with this number, with the scopes of the feature. */
  tokenOf: (phoneNumber: string) => Promise<string>
  /** Sends a code: its id, and what the phone shows. */
  sendCode: () => Promise<{ authenticationId: string, code: string }>
  /** The codes that the scenario has sent, oldest first. */
  codes: { authenticationId: string, code: string }[]
  checks: number
}

export const shareScope = 'number-verification:device-phone-number:read'
export const verifyScope = 'number-verification:verify'
export const smsScope = 'one-time-password-sms:send-validate'

export async function openWorld (
  t: Test, feature: string, simulator: Simulator, problemsOf: World['problemsOf'],
): Promise<World> {
  let now = Date.now()
  const started = await build(t, { simulators: [simulator], now: () => now })
  const isShare = feature.includes('phoneNumberShare')
  const isNumberVerification = feature.includes('Number Verification')

  const world: World = {
    t, started, method: isShare ? 'GET' : 'POST', path: '', correlator: 'b4333c46-49c0-4f62-80d7-f0ef930f1c46',
    body: undefined, sent: null, problemsOf, codes: [], checks: 0,

    elapse (ms) {
      now += ms
    },

    tokenOf: phoneNumber => isNumberVerification
      ? tokenOfPhone(started, phoneNumber, isShare ? shareScope : verifyScope)
      : tokenOfClient(started, smsScope),

    token: () => world.tokenOf(assets.phone_number),

    async send () {
      const { method, path, correlator, body } = world
      world.sent ??= await call(started, method, path, { token: await world.token(), correlator, body })
      return world.sent
    },

    async sendCode () {
      const { json } = await call(started, 'POST', `${oneTimePassword}/send-code`, {
        token: await tokenOfClient(started, smsScope),
        body: { phoneNumber: assets.phone_number, message: assets.message },
      })
      const { code = '' } = await latestMessage(started, assets.phone_number) ?? {}
      const one = { authenticationId: String(json['authenticationId']), code }
      world.codes.push(one)
      return one
    },
  }
  return world
}
