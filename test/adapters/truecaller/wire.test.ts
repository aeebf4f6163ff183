import t from 'tap'
import {
  isProfileUrl, readCallback, readGrant, readProfile, readPushAnswer, statusOf,
} from '../../../src/adapters/truecaller/wire.ts'

// The documented samples, word for word; the trailing commas and missing brackets of the documents are repaired.
const profile2017 = `{
 "name": { "first": "first_name_field_value3", "last": "last_name_field_value" },
 "aboutMe": "status_message_field_value",
 "phoneNumbers": [467601234567],
 "onlineIdentity": {
  "facebookId": "facebook_id_field_value", "twitterId": "twitter_id_field_value", "email": "", "url": "url_field_value"
 },
 "companyName": "w_company_name_field_value",
 "jobTitle": "w_title_field_value",
 "addresses": [
  { "countryCode": "se", "city": "city_field_value", "street": "street_field_value", "zipcode": "1234567" }
 ],
 "gender": "Female"
}`
const profileToday = `{
  "phoneNumbers": ["919999999999"],
  "addresses": [
    { "countryCode": "in", "city": "city_field_value", "street": "street_field_value", "zipcode": "1234567" }
  ],
  "avatarUrl": "https://s3-eu-west-1.amazonaws.com/images1.truecaller.com/myview/1/15a999e9806gh73834c87aaa0498020d/3",
  "aboutMe":"About me", "jobTitle": "CEO", "companyName": "ABC",
  "history": { "name": { "updateTime": "1508089888000" } },
  "isActive": "True", "gender": "Male", "createdTime": "1379314068000",
  "onlineIdentities": {
    "url": "https://www.truecaller.com", "email": "someone@example.com", "facebookId":"105056625245"
  },
  "type": "Personal", "id": "655574719", "userId":"1319413476",
  "badges": ["verified", "premium"],
  "name": { "last": "Kapoor", "first": "Rajat" }
}`

t.test('the profile of 2017', async t => {
  const profile = {
    name: { first: 'first_name_field_value3', last: 'last_name_field_value' },
    gender: 'Female',
    company: 'w_company_name_field_value',
    jobTitle: 'w_title_field_value',
    about: 'status_message_field_value',
    url: 'url_field_value',
    addresses: [{ countryCode: 'se', city: 'city_field_value', street: 'street_field_value', zipcode: '1234567' }],
  }
  t.strictSame(readProfile(JSON.parse(profile2017), null), { phoneNumber: '+467601234567', profile })
  const fork = profile2017.replace('467601234567', '46760123456').replace(
    '"email": ""', '"email": "someone@example.com"',
  )
  const withEmail = { ...profile, email: 'someone@example.com' }
  const ofFork = readProfile(JSON.parse(fork), null)
  t.strictSame(ofFork, { phoneNumber: '+46760123456', profile: withEmail }, 'and of its fork')
})

t.test('the profile of today', async t => {
  t.strictSame(readProfile(JSON.parse(profileToday), null), {
    phoneNumber: '+919999999999',
    profile: {
      name: { first: 'Rajat', last: 'Kapoor' },
      email: 'someone@example.com',
      gender: 'Male',
      avatarUrl: 'https://s3-eu-west-1.amazonaws.com/images1.truecaller.com'
        + '/myview/1/15a999e9806gh73834c87aaa0498020d/3',
      company: 'ABC',
      jobTitle: 'CEO',
      about: 'About me',
      url: 'https://www.truecaller.com',
      addresses: [{ countryCode: 'in', city: 'city_field_value', street: 'street_field_value', zipcode: '1234567' }],
      badges: ['verified', 'premium'],
    },
  })
})

t.test('what is absent, of another type or too long stays absent', async t => {
  t.strictSame(readProfile({ phoneNumbers: ['+919999999999'] }, null), { phoneNumber: '+919999999999' })
  const odd = {
    phoneNumbers: [919999999999, 'x'], name: { first: true, last: '' }, gender: null, companyName: 'x'.repeat(1025),
    jobTitle: ['a'], aboutMe: {}, onlineIdentity: null, onlineIdentities: 'x', addresses: [null, {}, { city: [] }, 'x'],
    badges: [{}, null, ''],
  }
  t.strictSame(readProfile(odd, null), { phoneNumber: '+919999999999' })
  const numeric = readProfile({ phoneNumbers: [919999999999], addresses: [{ zipcode: 1234567 }] }, null)
  t.strictSame(numeric?.profile, { addresses: [{ zipcode: '1234567' }] }, 'a number is the same as its text')
  const many = readProfile(
    { phoneNumbers: [919999999999], badges: Array.from({ length: 1000 }, () => 'a'), addresses: { length: 3 } }, null,
  )
  t.equal(many?.profile?.badges?.length, 10)
  t.equal(many?.profile?.addresses, undefined)
})

t.test('the expected number may be any of the profile', async t => {
  const profile = { phoneNumbers: [null, 'x', 46760123456, '5215512345678'] }
  t.strictSame(readProfile(profile, null), { phoneNumber: '+46760123456' })
  t.strictSame(readProfile(profile, '+919999999999'), { phoneNumber: '+46760123456' })
  t.strictSame(readProfile(profile, '+525512345678'), { phoneNumber: '+525512345678' }, 'in another spelling')
})

t.test('a profile without a number proves nothing', async t => {
  const others = [
    null, undefined, 'x', [], {}, { phoneNumbers: null }, { phoneNumbers: [] }, { phoneNumbers: {} },
    { phoneNumbers: [null] }, { phoneNumbers: ['9999999999'] }, { phoneNumbers: [''] },
    { phoneNumbers: [['919999999999']] }, { phoneNumbers: '919999999999' },
  ]
  for (const other of others) t.equal(readProfile(other, null), null, JSON.stringify(other))
})

t.test('the documented callbacks', async t => {
  const granted = `{"requestId":"RL8YZ41FQMt5Jiak2sc_Ys0OgQA=",
    "accessToken":"a1asX--8_yw-OF--E6Gj_DPyKelJIGUUeYB9U9MJhyeu4hOCbrl",
    "endpoint":"https://profile4-noneu.truecaller.com/v1/default"}`
  t.strictSame(readCallback(JSON.parse(granted)), {
    state: null,
    requestId: 'RL8YZ41FQMt5Jiak2sc_Ys0OgQA=',
    kind: 'granted',
    grant: {
      accessToken: 'a1asX--8_yw-OF--E6Gj_DPyKelJIGUUeYB9U9MJhyeu4hOCbrl',
      endpoint: 'https://profile4-noneu.truecaller.com/v1/default',
    },
  })
  t.strictSame(readCallback({
    requestId: 'vXbyFPwqiCAHZyxAldA9M9DDXKk=',
    accessToken: 'a3sAB0KnGANg4VZwIXfhUyFmPbzoONofl4FjIItac0JQSODp6niW8oBr33uOI-u7',
    state: 'ne4_cRtzx73-alui_XDvzS5h',
  }), {
    state: 'ne4_cRtzx73-alui_XDvzS5h',
    requestId: 'vXbyFPwqiCAHZyxAldA9M9DDXKk=',
    kind: 'granted',
    grant: { accessToken: 'a3sAB0KnGANg4VZwIXfhUyFmPbzoONofl4FjIItac0JQSODp6niW8oBr33uOI-u7' },
  })
  const rejected = readCallback(JSON.parse('{"requestId":"WZqlS6PqY0ycO3mKlEuI=","status":"user_rejected"}'))
  t.strictSame(rejected, {
    state: null, requestId: 'WZqlS6PqY0ycO3mKlEuI=', kind: 'denied', reason: 'user_rejected',
  })
  t.match(readCallback({ requestId: 'a', status: 'flow_invoked', more: 1 }), { kind: 'opened' })
})

t.test('members that are null, empty or unknown change nothing', async t => {
  const endpoint = 'https://profile4-noneu.truecaller.com/v1/default'
  const granted = [
    { requestId: 'a', accessToken: 'b', endpoint, state: null, status: null },
    { requestId: 'a', accessToken: 'b', endpoint, state: '', status: '', code: null, message: null },
    { requestId: null, accessToken: 'b', endpoint, state: 's', status: {} },
    { requestId: 5, accessToken: 'b', endpoint, status: 'user_rejected' },
    JSON.parse(`{"requestId":"a","accessToken":"b","endpoint":"${endpoint}","__proto__":{"status":"user_rejected"}}`),
  ]
  for (const body of granted) {
    t.match(readCallback(body), { kind: 'granted', grant: { accessToken: 'b', endpoint } }, JSON.stringify(body))
  }
  for (const none of [null, '']) {
    t.strictSame(readGrant({ accessToken: 'b', endpoint: none }), { accessToken: 'b' }, 'the default URL')
  }
  for (const accessToken of [null, '', 1, 'a b', 'x'.repeat(2049)]) {
    const body = { requestId: 'a', status: 'user_rejected', accessToken, endpoint: null }
    t.match(readCallback(body), { kind: 'denied', reason: 'user_rejected' }, 'a refusal is not lost')
    t.match(readCallback({ ...body, status: 'flow_invoked' }), { kind: 'opened' })
  }
  const others = [
    null, [], 'x', {}, { requestId: 'a' }, { status: {} }, { status: 5 }, { accessToken: 1 }, { accessToken: 'a b' },
    { requestId: 'a', status: null, accessToken: null }, { requestId: 'a', accessToken: 'b', endpoint: 1 },
  ]
  for (const other of others) t.equal(readCallback(other), null, JSON.stringify(other))
})

t.test('words that are not documented', async t => {
  for (const status of ['use_another_number', 'flow_cancelled', 'user_dismissed', 'REQUEST_DENIED', 'flow_timeout']) {
    t.match(readCallback({ requestId: 'a', status }), { kind: 'denied', reason: 'abandoned' }, status)
  }
  t.match(readCallback({ requestId: 'a', status: 'USER_REJECTED' }), { kind: 'denied', reason: 'user_rejected' })
  for (const status of ['flow_shown', 'pending', 'constructor', '__proto__']) {
    t.match(readCallback({ requestId: 'a', status }), { kind: 'unknown' }, String(status))
  }
})

t.test('evidence is what a callback granted', async t => {
  t.strictSame(readGrant({ accessToken: 'a' }), { accessToken: 'a' })
  const others = [
    null, {}, { accessToken: 1 }, { accessToken: '' }, { accessToken: 'a\r\nb' }, { accessToken: 'a', endpoint: [] },
    { accessToken: 'a', endpoint: `https://${'x'.repeat(2048)}` }, { code: '1' },
  ]
  for (const other of others) t.equal(readGrant(other), null)
})

t.test('the answers to a push request', async t => {
  t.strictSame(readPushAnswer(200, { requestId: '92849748hueh9' }), { requestId: '92849748hueh9' })
  t.strictSame(readPushAnswer(200, { requestId: 92849748, code: null, message: null }), { requestId: '92849748' })
  for (const other of [undefined, {}, { requestId: null }, { requestId: {} }, { requestId: '' }]) {
    t.equal(readPushAnswer(200, other), 'provider_bad_response')
  }
  const forbidden = { code: 1008, message: 'Forbidden: It is forbidden to use sdk login for this phone number.' }
  const badKey = { code: 404, message: 'Invalid partner credentials.' }
  for (const status of [200, 400, 403]) {
    t.equal(readPushAnswer(status, forbidden), 'number_not_registered', `1008 with ${status}`)
    t.equal(readPushAnswer(status, { ...forbidden, code: '1008', requestId: 'a' }), 'number_not_registered')
    t.equal(readPushAnswer(status, badKey), 'provider_misconfigured', `404 with ${status}`)
    t.equal(readPushAnswer(status, { code: '500', requestId: 'a' }), 'provider_error')
    t.equal(readPushAnswer(status, { code: 429 }), 'rate_limited_by_provider')
  }
  for (const body of [badKey, undefined, {}, { code: null }]) {
    t.equal(readPushAnswer(404, body), 'provider_misconfigured', 'in the older document, a 404 has no body')
  }
  t.equal(readPushAnswer(403, { code: 1009 }), 'provider_bad_response')
  t.equal(readPushAnswer(401, undefined), 'provider_bad_response')
})

t.test('an error code in the body counts more than the HTTP status', async t => {
  t.equal(statusOf(401, { status: 40101, message: 'Unauthorized' }), 401)
  t.equal(statusOf(200, { status: '40101', message: 'Unauthorized' }), 401)
  t.equal(statusOf(200, { code: 401 }), 401)
  t.equal(statusOf(200, { code: 500, message: 'error message' }), 500)
  for (const body of [null, {}, { code: null }, { code: 200 }, { code: 1008 }, { status: 'active' }, { status: 1e6 }]) {
    t.equal(statusOf(200, body), 200, JSON.stringify(body))
    t.equal(statusOf(404, body), 404)
  }
})

t.test('only the exact profile URL of a listed host gets the token', async t => {
  const hosts = new Set(['profile4.truecaller.com', 'profile4-noneu.truecaller.com', '127.0.0.1:4001'])
  t.ok(isProfileUrl('https://profile4.truecaller.com/v1/default', hosts, false))
  t.ok(isProfileUrl('https://profile4-noneu.truecaller.com/v1/default', hosts, false))
  const forged = [
    'http://profile4.truecaller.com/v1/default', 'HTTPS://profile4.truecaller.com/v1/default',
    'https://PROFILE4.truecaller.com/v1/default',
    'https://profile4.truecaller.com./v1/default', 'https://profile4.truecaller.com:443/v1/default',
    'https://profile4.truecaller.com:8443/v1/default',
    'https://profile4.truecaller.com/v1/default/', 'https://profile4.truecaller.com/v1/default?',
    'https://profile4.truecaller.com/v1/default?a=b',
    'https://profile4.truecaller.com/v1/default#', 'https://profile4.truecaller.com/v1/../v1/default',
    'https://profile4.truecaller.com//v1/default',
    'https://profile4.truecaller.com/v1/%64efault', 'https://profile4.truecaller.com/V1/default',
    'https://profile4.truecaller.com/v1',
    'https://user@profile4.truecaller.com/v1/default', 'https://@profile4.truecaller.com/v1/default',
    'https://:@profile4.truecaller.com/v1/default',
    'https://profile4.truecaller.com@evil.example/v1/default', 'https://evil.example/v1/default',
    'https://profile4.truecaller.com.evil.example/v1/default',
    'https://evil.example\\@profile4.truecaller.com/v1/default', 'https://profile4.truecaller.com\\v1\\default',
    'https:/profile4.truecaller.com/v1/default',
    'https:profile4.truecaller.com/v1/default', ' https://profile4.truecaller.com/v1/default',
    'https://profile4.truecaller.com/v1/default\n',
    'https://profile4\t.truecaller.com/v1/default', 'https://profile4。truecaller.com/v1/default',
    'https://ｐrofile4.truecaller.com/v1/default',
    'https://profile4%2etruecaller.com/v1/default', 'https://2130706433/v1/default', 'https://127.0.0.1/v1/default',
    'https://[::1]/v1/default',
    'https://profile4-eu.truecaller.com/v1/default', 'javascript:alert(1)', '/v1/default',
    '//profile4.truecaller.com/v1/default', '',
  ]
  for (const url of forged) {
    t.notOk(isProfileUrl(url, hosts, false), JSON.stringify(url))
    if (!url.startsWith('http://profile4.')) t.notOk(isProfileUrl(url, hosts, true))
  }
  t.ok(isProfileUrl('http://127.0.0.1:4001/v1/default', hosts, true))
  t.notOk(isProfileUrl('http://127.0.0.1:4001/v1/default', hosts, false))
  t.notOk(isProfileUrl('http://127.0.0.1:4002/v1/default', hosts, true))
  t.notOk(isProfileUrl('http://2130706433:4001/v1/default', hosts, true))
})
