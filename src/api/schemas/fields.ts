import { Type, type TSchema, type TSchemaOptions } from 'typebox'
import { methodPattern } from '../../apps/apps.ts'
import { assuranceLevels, bindings, possessions } from '../../core/assurance.ts'
import { reasons, reasonWords } from '../../core/reasons.ts'

/** `Narrow`, which must be assignable to `Wide`. Proves that a schema and a type of the use cases agree. */
export type Assignable<Narrow extends Wide, Wide> = Narrow

/** A string with one of these values. */
export const stringEnum = <Word extends string>(list: readonly Word[], options: TSchemaOptions = {}) =>
  Type.Enum([...list], { type: 'string', ...options })

/**
 * A word of a response: one of these, or one that a later version adds. Clients accept every string; the static type is
 * exact, because this version sends no other. Generators name the list of today's words `Known…`.
 */
export const openEnum = <Word extends string>(
  list: readonly Word[], { title, ...options }: TSchemaOptions & { title: string },
) => Type.Unsafe<Word>({
  anyOf: [stringEnum(list, { title: `Known${title}`, description: `The words of ${title} today.` }), Type.String()],
  title, ...options,
})

/** The schema or null, with the description of the schema unless another one is given. */
export const nullable = <Schema extends TSchema>(schema: Schema, options: TSchemaOptions = {}) => {
  const description = 'description' in schema && typeof schema.description === 'string' ? schema.description : null
  return Type.Union([schema, Type.Null()], { ...description === null ? {} : { description }, ...options })
}

export const time = (description: string) =>
  Type.String({ format: 'date-time', description, examples: ['2026-03-01T12:00:00.000Z'] })

export const bulletList = (entries: Iterable<readonly [word: string, meaning: string]>): string =>
  [...entries].map(([word, meaning]) => `- \`${word}\`: ${meaning}`).join('\n')

const meanings = bulletList(reasonWords.map(word => [word, reasons[word].meaning]))
export const Reason = openEnum(reasonWords, {
  title: 'Reason', description: `Why it ended. Separate from the error codes; more may be added.\n\n${meanings}`,
})


export const Method = Type.String({
  pattern: methodPattern, maxLength: 64, title: 'Method',
  description: 'Name of a method: `<provider>.<channel>`. `GET /providers` lists the available ones.',
  examples: ['truid.phone_check', 'otpless.otp'],
})

const levels = bulletList([
  ['3', 'the mobile network identified the SIM, bound to the session'],
  ['2', 'a message reached the number, or an account holds it, bound to the session'],
  ['1', 'everything else: an attacker can have a victim approve the attacker\'s verification'],
])
export const Assurance = Type.Object({
  level: Type.Enum([...assuranceLevels], {
    type: 'integer', title: 'AssuranceLevel', description: levels, examples: [2],
  }),
  possession: openEnum(possessions, {
    title: 'Possession', description: bulletList([
      ['sim', 'the mobile network identified the SIM'],
      ['message', 'a code or a link reached the number'],
      ['account', 'an account with a provider holds the number'],
    ]),
  }),
  binding: openEnum(bindings, {
    title: 'Binding', description: bulletList([
      ['session', 'the evidence came back through the front end that started the verification'],
      ['none', 'someone approved elsewhere'],
    ]),
  }),
  restricted: Type.Boolean({ description: 'SMS or voice: a restricted authenticator of NIST SP 800-63B.' }),
}, { title: 'Assurance', description: 'How strong a proof is. Ignore unknown members: more may be added.' })

export const phoneNumberExample = '+14155550100'
export const verificationIdExample = 'ver_Yd0cA4o5jCkYlY2xXzVb7QBmJ2kQhQ'
