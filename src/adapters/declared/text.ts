import type { Entry } from './schema.ts'
import { fill } from './template.ts'

/**
 * The text for a locale, by RFC 4647 section 3.4: `de-AT`, then `de`, then `default`. Language tags have no case.
 */
export function chooseText (texts: NonNullable<Entry['text']>, locale: string | null): string {
  const byTag = new Map(Object.entries(texts).map(([tag, text]) => [tag.toLowerCase(), text]))
  const parts = (locale ?? '').replaceAll('_', '-').toLowerCase().split('-')
  for (let length = parts.length; length > 0; length -= 1) {
    const text = byTag.get(parts.slice(0, length).join('-'))
    if (text !== undefined) return text
  }
  return texts['default'] ?? '{code}'
}

/**
 * The last line of a message, by which a browser offers the code to the page of this host.
 * https://wicg.github.io/sms-one-time-codes/
 */
export const otpLine = (host: string, code: string): string => `@${host} #${code}`

/** The text of a message. `app`: its name. `host`: of the page that takes the code, or null. */
export function writeText (
  texts: NonNullable<Entry['text']>, locale: string | null,
  { code, app, host }: { code: string, app: string, host: string | null },
): string {
  // A line end in a name could make a line that looks like that of another host.
  const text = fill(chooseText(texts, locale), { code, app: app.replaceAll(/[\p{C}\p{Zl}\p{Zp}]+/gu, ' ') })
  return host === null ? text : `${text}\n\n${otpLine(host, code)}`
}

/** The characters of the GSM 7-bit default alphabet (3GPP TS 23.038), and those that take the place of two. */
const basic = '@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !"#¤%&\'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿'
  + 'abcdefghijklmnopqrstuvwxyzäöñüà'
const extended = '^{}\\[~]|€\f'

/** In how many parts a text is sent and paid, and in which alphabet. */
export function segmentsOf (text: string): { alphabet: 'GSM-7' | 'UCS-2', segments: number } {
  const letters = [...text]
  const isGsm = letters.every(letter => basic.includes(letter) || extended.includes(letter))
  const units = isGsm ? letters.reduce((sum, letter) => sum + (extended.includes(letter) ? 2 : 1), 0) : text.length
  const [single, part] = isGsm ? [160, 153] : [70, 67]
  return { alphabet: isGsm ? 'GSM-7' : 'UCS-2', segments: units <= single ? 1 : Math.ceil(units / part) }
}
