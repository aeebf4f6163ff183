import t from 'tap'
import { findIneligibility, type EligibilityFacts } from '../../src/core/eligibility.ts'

const facts: EligibilityFacts = {
  needsPhoneNumber: true, sendsMessage: true, isCountryAllowed: true, getsMessages: true, isOpen: false,
  wasRecentlyTried: false, isTestNumber: false, takesTypedCode: true,
}
const refused = { isCountryAllowed: false, getsMessages: false, isOpen: true, wasRecentlyTried: true }

t.test('the first reason that applies', async t => {
  t.equal(findIneligibility(facts), null)
  t.equal(findIneligibility({ ...facts, ...refused }), 'country_not_allowed')
  t.equal(findIneligibility({ ...facts, ...refused, isCountryAllowed: true }), 'number_type_not_allowed')
  t.equal(findIneligibility({ ...facts, isOpen: true, wasRecentlyTried: true }), 'provider_unavailable')
  t.equal(findIneligibility({ ...facts, wasRecentlyTried: true }), 'recently_tried')
})

t.test('the type of the number matters only to methods that send a message', async t => {
  t.equal(findIneligibility({ ...facts, sendsMessage: false, getsMessages: false }), null)
  t.equal(findIneligibility({ ...facts, sendsMessage: false, isCountryAllowed: false }), 'country_not_allowed')
})

t.test('the number does not matter to a method that discovers one', async t => {
  const discovery = { ...facts, needsPhoneNumber: false }
  t.equal(findIneligibility({ ...discovery, ...refused, isOpen: false }), null)
  t.equal(findIneligibility({ ...discovery, isOpen: true }), 'provider_unavailable')
})

t.test('a test number: only a typed code, whatever else is true', async t => {
  t.equal(findIneligibility({ ...facts, ...refused, isTestNumber: true }), null)
  t.equal(findIneligibility({ ...facts, isTestNumber: true, takesTypedCode: false }), 'test_number')
  t.equal(findIneligibility({ ...facts, takesTypedCode: false }), null)
})
