import type { Json } from './vocabulary.ts'

/** How strong a proof is; the words are those of the API. */
export type Assurance = {
  /**
   * What was shown to hold the number: the SIM (by the mobile network), the recipient of a message (a code or a link),
   * or an account with a provider.
   */
  possession: typeof possessions[number]
  /**
   * `session`: the evidence came back through the front end that started the verification. `none`: someone approved
   * elsewhere, and an attacker can talk a victim into that.
   */
  binding: typeof bindings[number]
  /** SMS and voice: NIST SP 800-63B restricts them. */
  restricted: boolean
}
export const possessions = ['sim', 'message', 'account'] as const
export const bindings = ['session', 'none'] as const

/** The assurance of a test number's fixed code, which proves nothing: the weakest one. */
export const testAssurance: Assurance = { possession: 'message', binding: 'none', restricted: true }

export const assuranceLevels = [1, 2, 3] as const
export type AssuranceLevel = typeof assuranceLevels[number]

/** A proof that is not fresh never gets here: it is `evidence_expired`. */
export function levelOf ({ possession, binding }: Pick<Assurance, 'possession' | 'binding'>): AssuranceLevel {
  if (binding === 'none') return 1
  return possession === 'sim' ? 3 : 2
}

/** As the API shows it. */
export type RatedAssurance = { level: AssuranceLevel } & Assurance

export const rate = (assurance: Assurance): RatedAssurance => ({ level: levelOf(assurance), ...assurance })

/** What a method proves: always the same, or depending on the options of the workflow's item. */
export type MethodAssurance = Assurance | ((options: Readonly<Record<string, Json>>) => Assurance)

export const assuranceOf = (declared: MethodAssurance, options: Readonly<Record<string, Json>>): Assurance =>
  typeof declared === 'function' ? declared(options) : declared
