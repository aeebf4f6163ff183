import { otpless } from './otpless/index.ts'
import { truecaller } from './truecaller/index.ts'
import { truid } from './truid/index.ts'

/** Every provider there is. One line makes a new one known to the configuration, the gateway and the documentation. */
export const providers = [truecaller, truid, otpless] as const
