import type { Scenario } from '../scenarios.ts'
import type { AuthRequest } from './auth-request.ts'
import type { SnaErrorCode } from './errors.ts'
import { splitNumber } from './phone-number.ts'

/** What the operator finds, or that the device is not in its network. */
export const operatorErrors: Partial<Record<Scenario, SnaErrorCode>> = {
  mismatch: 'SP40011', error: 'SP40010', notCellular: 'SP40009', otherDevice: 'SP40007',
}

/** The operator of every simulated SIM. */
export const operator = 'JIO'

const ip = '2001:db8:53:eaf6:85f0:3cd4:8747:8c5b'
const userAgent = 'Mozilla/5.0 (Linux; Android 14; Pixel 7) AppleWebKit/537.36 (KHTML, like Gecko) '
  + 'Chrome/124.0.0.0 Mobile Safari/537.36'

/** `countryCode` has no `+` here. */
export function describePhone ({ person: { digits = '' } }: AuthRequest): object {
  const { countryCode, country } = splitNumber(digits)
  return {
    operator, countryCode: countryCode.replace('+', ''), country, type: 'MOBILE', homeOperator: operator,
    location: country, timeZones: ['Asia/Calcutta'],
  }
}

export function describeSim ({ sim = { mcc: 404, mnc: 10 } }: AuthRequest): object {
  return { operator, ...sim }
}

/** The network that each step of the device was seen in. */
export const networkSteps = { continue: { ip, operator, userAgent }, callback: { ip, operator, userAgent } }

/** Before the device has opened the link, there are no steps. */
export function describeNetwork ({ status }: AuthRequest): object {
  return { ip, ipType: 'IPV6', operator, ...status === 'SUCCESS' ? networkSteps : {} }
}
