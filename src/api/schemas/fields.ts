import { Type, type TSchema, type TSchemaOptions } from 'typebox'
import { reasons, reasonWords } from '../../core/reasons.ts'

/** `Narrow`, which must be assignable to `Wide`. Proves that a schema and a type of the use cases agree. */
export type Assignable<Narrow extends Wide, Wide> = Narrow

/** A string with one of these values. */
export const stringEnum = <Word extends string>(list: readonly Word[], options: TSchemaOptions = {}) =>
  Type.Enum([...list], { type: 'string', ...options })

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
export const Reason = stringEnum(reasonWords, {
  title: 'Reason',
  description: `Why it ended. A closed vocabulary, separate from the error codes.\n\n${meanings}`,
})

export const Method = Type.String({
  pattern: '^[a-z]+(-[a-z0-9]+)?\\.[a-z_]+$', maxLength: 64, title: 'Method',
  description: 'Name of a method: `<provider>.<channel>`. `GET /providers` lists the available ones.',
  examples: ['truid.phone_check', 'otpless.otp'],
})

export const phoneNumberExample = '+14155550100'
export const verificationIdExample = 'ver_Yd0cA4o5jCkYlY2xXzVb7QBmJ2kQhQ'
