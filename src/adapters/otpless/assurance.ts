import { Type } from 'typebox'
import { Compile } from 'typebox/compile'
import type { Assurance } from '../../core/assurance.ts'

const identity = Compile(Type.Object({ channel: Type.String({ maxLength: 64 }) }))
const identityMethods = Compile(Type.Object({ methods: Type.Array(Type.Unknown(), { minItems: 1, maxItems: 64 }) }))

/** Channels that NIST SP 800-63B does not restrict; every other one counts as SMS or voice. */
const unrestricted: readonly unknown[] = ['WHATSAPP', 'VIBER']

/** What a code proves that was sent over one of these channels. The answer to the code does not say over which one. */
export const assuranceOfOtp = (channels: readonly unknown[]): Assurance =>
  ({ possession: 'message', binding: 'session', restricted: !channels.every(name => unrestricted.includes(name)) })

/**
 * What a verified MOBILE identity shows, by its `channel` and `methods`. Another person than the one at the front end,
 * which receives the token, may have completed a link, a call, a silent check, or what an unknown channel asks for.
 */
export function assuranceOfIdentity (value: unknown): Assurance {
  const channel = identity.Check(value) ? value.channel : ''
  const channels = identityMethods.Check(value) ? value.methods : ['unknown']
  switch (channel) {
    case 'OAUTH': return { possession: 'account', binding: 'session', restricted: false }
    case 'OTP': return assuranceOfOtp(channels)
    case 'MAGIC_LINK': case 'OTP_LINK': case 'VOICE_APPROVAL': return { ...assuranceOfOtp(channels), binding: 'none' }
    case 'SILENT_AUTH': return { possession: 'sim', binding: 'none', restricted: false }
    default: return { possession: 'account', binding: 'none', restricted: false }
  }
}
