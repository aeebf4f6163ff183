import t from 'tap'
import { ask, start } from '../receiver.ts'
import { get, json, post, refused } from './client.ts'

/** Wrong credentials are documented in three shapes. */
const calls = {
  '/auth/v1/initiate/otp': ['message', 'description'],
  '/auth/v1/initiate/magiclink': ['message', 'description'],
  '/auth/v1/initiate/otplink': ['message', 'description'],
  '/auth/v1/initiate/oauth': ['message', 'description'],
  '/auth/v1/initiate/voice_approval': ['message', 'description'],
  '/auth/v1/verify/otp': ['message', 'description'],
  '/auth/v1/verify/code': ['message', 'description'],
  '/auth/v1/status': ['message', 'description'],
  '/auth/v1/validate/token': ['message'],
  '/auth/v1/initiate/sna': ['message', 'errorCode', 'description'],
  '/auth/v1/create': ['message', 'errorCode', 'description'],
}

t.test('every call needs both headers, whatever its body', async t => {
  const started = await start(t)
  for (const [path, members] of Object.entries(calls)) {
    refused(t, await post(started, path, {}, { clientId: '' }), 401, '7012', path)
    refused(t, await post(started, path, {}, { clientSecret: '' }), 401, '7012', path)
    for (const wrong of [{ clientId: 'wrong' }, { clientSecret: 'wrong' }]) {
      const answer = await post(started, path, {}, wrong)
      t.equal(answer.status, 401, path)
      t.strictSame(Object.keys(answer.json), members, path)
    }
    refused(
      t, await ask(`${started.simulators.url}${path}`, 'POST', { ...json, authorization: 'Basic eDp5' }, {}), 401,
      '7012', path,
    )
  }
  for (const path of ['/auth/v1/status?requestId=x', '/auth/v2/status?requestId=x']) {
    refused(t, await get(started, path, { clientId: '' }), 401, '7012', path)
    refused(t, await get(started, path, { clientId: 'wrong' }), 401, '7002', path)
  }
})

t.test('unknown routes repeat nothing of the query', async t => {
  const { simulators } = await start(t)
  for (const path of ['/auth/v1/authorise', '/auth/v9/x', '/nowhere', '/%zz']) {
    const answer = await ask(`${simulators.url}${path}?client_secret=hunter2`, 'GET')
    t.ok(answer.status === 404 || answer.status === 400, path)
    t.strictSame(Object.keys(answer.json), ['message'])
    t.notMatch(answer.text, /hunter2|authorise|zz/)
  }
})
