import { PhoneVerification } from './element.ts'

export { PhoneVerification }
export type { TextKey, Texts } from './texts.ts'
export type { Action, Evidence, Verification } from './verification.ts'

// Two copies on one page: the first one stays.
if (!customElements.get('phone-verification')) customElements.define('phone-verification', PhoneVerification)
