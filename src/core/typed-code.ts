/** White space, dashes, and invisible characters such as direction marks. */
const separators = /[\p{White_Space}\p{Pd}\p{Cf}\u2212]/gu

/** The same text for the same code, however a person typed it: without separators, with ASCII digits. */
export const foldCode = (text: string): string =>
  text.replace(separators, '').replace(/\p{Nd}/gu, digit => String(valueOf(digit)))

/** The decimal digits of every script are runs of ten, from 0 to 9 (Unicode Standard, section 4.6). */
function valueOf (digit: string): number {
  const codePoint = digit.codePointAt(0) ?? 0
  let offset = 0
  while (/\p{Nd}/u.test(String.fromCodePoint(codePoint - offset - 1))) offset += 1
  return offset % 10
}
