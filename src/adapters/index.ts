import { camara } from './camara/index.ts'
import { firebase } from './firebase/index.ts'
import { otpless } from './otpless/index.ts'
import { telegram } from './telegram/index.ts'
import { truecaller } from './truecaller/index.ts'
import { truid } from './truid/index.ts'
import { twilio } from './twilio/index.ts'
import { vonage } from './vonage/index.ts'

/** Providers that need no code of their own: `PROVIDERS_FILE`. */
export * as declared from './declared/index.ts'

/** Every provider. A line here makes it known to the configuration, the gateway and the API document. */
export const providers = [truecaller, truid, otpless, camara, twilio, vonage, telegram, firebase] as const
