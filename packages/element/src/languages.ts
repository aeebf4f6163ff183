import { english, languageOf, type Texts } from './texts.ts'
import { translations } from './translations.ts'

/** The texts of a BCP 47 tag; null where its language has none. */
export const textsFor = (locale: string): Texts | null =>
  languageOf(locale) === 'en' ? english : translations[languageOf(locale)] ?? null
