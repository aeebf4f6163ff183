import t from 'tap'
import { pushProfile, webProfile } from '../../../src/sandbox/truecaller/profile.ts'

t.test('2017: numbers, and onlineIdentity in the singular', async t => {
  const profile = pushProfile('14155550100')
  t.strictSame(profile['phoneNumbers'], [14155550100])
  t.hasProps(profile, ['name', 'onlineIdentity', 'addresses'])
  t.notOk('onlineIdentities' in profile)
})

t.test('web: strings, and onlineIdentities in the plural, without twitterId', async t => {
  const profile = webProfile('14155550100')
  t.match(
    profile, { phoneNumbers: ['14155550100'], isActive: 'True', createdTime: /^\d+$/, badges: ['verified', 'premium'] },
  )
  t.notOk('onlineIdentity' in profile)
  t.notMatch(JSON.stringify(profile), /twitterId/)
})

t.test('what a user never filled in is absent, not null', async t => {
  t.strictSame(Object.keys(pushProfile('14155550500')), ['name', 'phoneNumbers'])
  t.notOk('onlineIdentities' in webProfile('14155550500'))
  t.notMatch(JSON.stringify([webProfile('14155550500'), pushProfile('5')]), /null/)
})
