import { english, languageOf, type Texts } from './texts.ts'
import { translations } from './translations.ts'

/** The texts of a BCP 47 tag; English where its language has none. */
export const textsFor = (locale: string): Texts => translations[languageOf(locale)] ?? english
