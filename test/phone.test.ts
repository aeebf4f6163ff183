import t from 'tap'
import fc from 'fast-check'
import { digitsOf, maskPhoneNumber, parsePhoneNumber, readPhoneNumber } from '../src/phone.ts'

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

t.test('everything else is rejected', async t => {
  const others = [
    '', '+', '+1', '14155550100', '0014155550100', '+04155550100', ' +14155550100', '+14155550100 ', '+14155550100\n',
    '+1 415 555 0100', '+1-415-555-0100', '+14155550100;ext=5', 'tel:+14155550100', '+٩١٩٩٩٩٩٩٩٩٩٩', '＋14155550100',
    '+99912345678', '+1415555', '+141555501001', '+9199999999991234', '+4407700900000',
  ]
  for (const other of others) t.equal(parsePhoneNumber(other), null, JSON.stringify(other))
})

t.test('numbers in responses are read with or without +, and no country is guessed', async t => {
  const sent: [unknown, string | null][] = [
    [46760123456, '+46760123456'], [467601234567, '+467601234567'], ['919999999999', '+919999999999'], [
      '+919999999999', '+919999999999',
    ],
    ['+1 415 555 0100', '+14155550100'], [' 14155550100 ', '+14155550100'],
    ['9999999999', null], ['', null], ['++14155550100', null], [
      '+1 (415) 555-0100', null,
    ], [Number.NaN, null], [Infinity, null],
    [1e21, null], [-14155550100, null], [
      14155550100.5, null,
    ], [null, null], [undefined, null], [true, null], [{}, null],
    [['+14155550100'], null],
  ]
  for (const [value, number] of sent) t.equal(readPhoneNumber(value), number, String(value))
})

t.test('reading a response never throws, and the result is E.164', async () => {
  fc.assert(fc.property(fc.oneof(fc.anything(), fc.integer(), fc.stringMatching(/^\+?[0-9 ]{5,17}$/)), value => {
    const number = readPhoneNumber(value)
    return number === null || parsePhoneNumber(number)?.number === number
  }))
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
  t.equal(digitsOf('+14155550100'), '14155550100')
})
