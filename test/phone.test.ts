import t from 'tap'
import fc from 'fast-check'
import examples from 'libphonenumber-js/examples.mobile.json'
import { getCountries, getExampleNumber, parsePhoneNumberFromString, type CountryCode } from 'libphonenumber-js/core'
import max from 'libphonenumber-js/max/metadata'
import { specialNumberTypes } from '../src/core/vocabulary.ts'
import {
  callingCodeOf, countries, digitsOf, findPhoneNumber, maskPhoneNumber, parsePhoneNumber, readPhoneNumber,
  specialTypeOf,
} from '../src/phone.ts'

t.test('strict E.164 is accepted, also in ranges reserved for fiction', async t => {
  const numbers: [string, string | null][] = [
    ['+14155550100', 'US'], [
      '+919999999999', 'IN',
    ], ['+46760123456', 'SE'], ['+467601234567', 'SE'], ['+12684641234', 'AG'],
    ['+6834001', 'NU'],
    // Four countries share 44, and the range belongs to none of them; 870 is a satellite network.
    ['+447700900000', null], ['+870123456789', null],
  ]
  for (const [number, country] of numbers) t.same(parsePhoneNumber(number), { number, country }, number)
})

t.test('numbers that cost much to call, or reach no person', async t => {
  const numbers: [number: string, type: string | null][] = [
    ['+19005550123', 'premium_rate'], ['+33892123456', 'premium_rate'], ['+491805123456', 'shared_cost'],
    ['+80834567890', 'shared_cost'], ['+18005550123', 'toll_free'], ['+80012345678', 'toll_free'],
    ['+448001111111', 'toll_free'], ['+443001234567', 'uan'], ['+447640123456', 'pager'],
    ['+3584400123456', null], ['+881612345678', 'satellite'], ['+870773111632', 'satellite'],
    ['+8835100012345', 'satellite'], ['+878101234567890', 'satellite'],
    // Phones, also those of fiction and of ranges that the library does not know.
    ['+14155550100', null], ['+447700900123', null], ['+4915112999998', null], ['+919999999999', null],
    ['+12005550100', null], ['+6531234567', null], ['+442071234567', null],
  ]
  for (const [number, type] of numbers) t.equal(specialTypeOf(number), type, number)
  for (const country of getCountries(max)) {
    const number = getExampleNumber(country, examples, max)?.number
    if (number !== undefined) t.equal(specialTypeOf(number), null, `a mobile number of ${country}`)
  }
  const known = new Set(numbers.map(([, type]) => type))
  t.strictSame(specialNumberTypes.filter(type => !known.has(type)), ['voicemail'], 'the words of the configuration')
})

t.test('countries are those that have numbers', async t => {
  for (const code of ['GB', 'US', 'XK', 'AX']) t.ok(countries.has(code), code)
  for (const code of ['UK', 'EU', 'gb', '001', 'AQ']) t.notOk(countries.has(code), code)
})

t.test('everything else is rejected', async t => {
  const others = [
    '', '+', '+1', '14155550100', '0014155550100', '+04155550100', ' +14155550100', '+14155550100 ', '+14155550100\n',
    '+1 415 555 0100', '+1-415-555-0100', '+14155550100;ext=5', 'tel:+14155550100', '+٩١٩٩٩٩٩٩٩٩٩٩', '＋14155550100',
    '+99912345678', '+1415555', '+141555501001', '+9199999999991234', '+4407700900000',
  ]
  for (const other of others) t.equal(parsePhoneNumber(other), null, JSON.stringify(other))
})

t.test('a number in a message is read with or without +, and no country is guessed', async t => {
  const sent: [unknown, string | null][] = [
    [46760123456, '+46760123456'], [467601234567, '+467601234567'], ['919999999999', '+919999999999'],
    ['+919999999999', '+919999999999'], ['00919999999999', '+919999999999'], ['+00919999999999', '+919999999999'],
    ['+1 415 555 0100', '+14155550100'], [' 14155550100\n', '+14155550100'], ['+1 (415) 555-0100', '+14155550100'],
    ['\u200e+1\u00a0415\u2011555.0100\u200e', '+14155550100'], ['+44 (0)7700 900123', '+447700900123'],
    ['9999999999', null], ['09999999999', null], ['', null], ['++14155550100', null], ['+1 415 555 0100 x5', null],
    ['+14155550100 / +14155550101', null], ['00', null], [Number.NaN, null], [Infinity, null], [1e21, null],
    [-14155550100, null], [14155550100.5, null], [0, null], [null, null], [undefined, null],
    [true, null], [{}, null], [['+14155550100'], null],
  ]
  for (const [value, number] of sent) {
    t.equal(readPhoneNumber(value, null), number, String(value))
    t.equal(readPhoneNumber(value, '+447700900123'), number, `${String(value)}, another one expected`)
  }
})

/** Pairs of the number to verify, and how a provider spells it. */
const sameNumbers: [string, unknown][] = [
  ['+919999999999', '+9109999999999'], ['+447700900123', '4407700900123'], ['+79123456789', '+7 8 912 345-67-89'],
  ['+14155550100', 14155550100], ['+14155550100', '+1 1 415 555 0100'], ['+5491123456789', '+54 11 15 2345-6789'],
  // Ivory Coast: mobile and fixed, of each operator.
  ['+2250101234567', '+22501234567'], ['+2250172345678', 22572345678], ['+2250504123456', '0022504123456'],
  ['+2250595123456', '22595123456'], ['+2250707123456', '225 07 12 34 56'], ['+2250798123456', '+22598123456'],
  ['+2252120812345', '+22520812345'], ['+2252530012345', '+22530012345'], ['+2252722412345', '+22522412345'],
  ['+2290197123456', '+22997123456'], ['+2290120212345', 22920212345],
  ['+525512345678', '5215512345678'], ['+525512345678', 5215512345678], ['+525512345678', '+52 044 55 1234 5678'],
  ['+5511987654321', '551187654321'], ['+5585999998888', '+55 (85) 9999-8888'],
  // A former spelling is expected, which is accepted where its length exists today.
  ['+551187654321', '5511987654321'], ['+551187654321', '+55 011 98765-4321'],
]

t.test('another spelling of the expected number is the expected number', async t => {
  for (const [expected, value] of sameNumbers) {
    t.ok(parsePhoneNumber(expected), `${expected} is accepted`)
    t.equal(readPhoneNumber(value, expected), expected, `${String(value)} is ${expected}`)
  }
})

t.test('what looks like another spelling, and is another number', async t => {
  const others: [string, unknown][] = [
    // Of the three operators in Ivory Coast, the former number belonged to one.
    ['+2250507123456', '22507123456'], ['+2250160123456', '22560123456'], ['+2252507123456', '22507123456'],
    // Radio numbers in Brazil had eight digits, fixed lines have eight.
    ['+5511977654321', '551177654321'], ['+5511932654321', '551132654321'],
    ['+5511987654321', '5521987654321'], ['+5511987654321', '551187654322'],
    // In Argentina the 9 distinguishes a mobile number from a fixed one, and in Italy the 0 a fixed one.
    ['+5491123456789', '541123456789'], ['+393331234567', '+3903331234567'],
    ['+919999999999', '9999999999'], ['+919999999999', '09999999999'], ['+14155550100', '4155550100'],
    ['+14155550100', '14155550101'], ['+2290197123456', '+22901971234'],
  ]
  for (const [expected, value] of others) {
    t.ok(parsePhoneNumber(expected), `${expected} is accepted`)
    t.not(readPhoneNumber(value, expected), expected, `${String(value)} is not ${expected}`)
  }
})

t.test('of a list the expected number is chosen, otherwise the first', async t => {
  const list = [null, {}, '???', '14155550100', 5215512345678, '+919999999999']
  t.equal(findPhoneNumber(list, null), '+14155550100')
  t.equal(findPhoneNumber(list, '+447700900123'), '+14155550100')
  t.equal(findPhoneNumber(list, '+525512345678'), '+525512345678')
  t.equal(findPhoneNumber(list, '+919999999999'), '+919999999999')
  for (const none of [[], [null], ['???', '9999999999']]) t.equal(findPhoneNumber(none, '+919999999999'), null)
  t.equal(findPhoneNumber([...Array(64).keys(), '14155550100'], null), null, 'of a list without end, the beginning')
})

t.test('reading a response never throws, and the result is E.164', async () => {
  fc.assert(fc.property(fc.oneof(fc.anything(), fc.integer(), fc.stringMatching(/^\+?[0-9 ]{5,17}$/)), value => {
    const number = readPhoneNumber(value, null)
    return number === null || parsePhoneNumber(number)?.number === number
  }))
})

/** A number of every country, and of those with a former plan: an example of the library with other last digits. */
const exampleOf = (country: CountryCode): string => String(getExampleNumber(country, examples, max)?.number)
const anyExample = fc.oneof(
  fc.constantFrom(...getCountries(max).map(exampleOf)),
  fc.constantFrom(...(['CI', 'BJ', 'MX', 'BR', 'AR'] as const).map(exampleOf)),
)
const anyNumber = fc.tuple(anyExample, fc.nat(9999_9999), fc.integer({ min: 0, max: 8 }))
  .map(([example, digits, count]) => example.slice(0, example.length - count)
    + String(digits).padStart(8, '0').slice(0, count))
  .filter(number => parsePhoneNumberFromString(number, max)?.isValid() === true && parsePhoneNumber(number) !== null)
/** The same number as a provider may write it. */
const anySpelling = (number: string) => fc.tuple(
  fc.constantFrom('+', '00', '', ' +', '+00'), fc.constantFrom('', ' ', '-', '\u00a0', '.', '\u200e'), fc.nat(14),
).map(([start, separator, at]) => {
  const digits = digitsOf(number)
  return `${start}${digits.slice(0, at)}${separator}${digits.slice(at)}`
})

t.test('every spelling of a number is that number', async () => {
  fc.assert(fc.property(anyNumber.chain(number => fc.tuple(fc.constant(number), anySpelling(number))),
    ([number, spelling]) => readPhoneNumber(spelling, number) === number
      && readPhoneNumber(spelling, null) === number
      && readPhoneNumber(Number(digitsOf(number)), number) === number), { numRuns: 1_000 })
})

t.test('every number of a former plan is that of today', async () => {
  const former: [RegExp, string][] = [
    [/^\+22901(\d{8})$/, '+229$1'], [/^\+52(\d{10})$/, '+521$1'], [/^\+55(\d\d)9([689]\d{7})$/, '+55$1$2'],
  ]
  let compared = 0
  fc.assert(fc.property(anyNumber, number => {
    const [pattern, spelling] = former.find(([pattern]) => pattern.test(number)) ?? []
    if (pattern === undefined || spelling === undefined) return true
    compared += 1
    const old = number.replace(pattern, spelling)
    return readPhoneNumber(old, number) === number && readPhoneNumber(old, null) === number
  }), { numRuns: 1_000 })
  if (compared < 100) throw new Error(`only ${compared} numbers with a former spelling`)
})

t.test('two valid numbers are never the same', async () => {
  // Neighbours: a digit more, less or another, as in the former plans.
  const anyNeighbour = fc.tuple(anyNumber, fc.nat(14), fc.stringMatching(/^\d{0,3}$/), fc.nat(3))
    .map(([number, at, inserted, removed]) => [
      number, `${number.slice(0, at + 1)}${inserted}${number.slice(at + 1 + removed)}`,
    ] as const)
  const anyPair = fc.oneof(anyNeighbour, fc.tuple(anyNumber, anyNumber))
  let compared = 0
  fc.assert(fc.property(anyPair, ([number, other]) => {
    const isValid = parsePhoneNumber(other) !== null && parsePhoneNumberFromString(other, max)?.isValid() === true
    if (number === other || !isValid) return true
    compared += 1
    return readPhoneNumber(other, number) === other && readPhoneNumber(number, other) === number
  }), { numRuns: 3_000 })
  if (compared < 500) throw new Error(`only ${compared} pairs of valid numbers`)
})

t.test('a masked number keeps its calling code and its last two digits', async t => {
  const masks: [string, string][] = [
    ['+14155550100', '+1********00'], ['+447700900123', '+44********23'], ['+919999999999', '+91********99'],
    ['+12684641234', '+1********34'], ['+3541234567', '+354*****67'], [
      '+870123456789', '+870*******89',
    ], ['+6834001', '+683**01'],
  ]
  for (const [number, mask] of masks) t.equal(maskPhoneNumber(number), mask)
  t.equal(maskPhoneNumber('+99912345678'), '+*********78', 'an unknown calling code is masked as well')
  const codes = { '+14155550100': '1', '+447700900123': '44', '+3541234567': '354', '+99912345678': '' }
  for (const [number, code] of Object.entries(codes)) t.equal(callingCodeOf(number), code)
  t.equal(digitsOf('+14155550100'), '14155550100')
})
