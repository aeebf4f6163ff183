import { randomBytes } from 'node:crypto'
import t from 'tap'
import { clientOf, keys, startGateway, type Client } from '../helpers/gateway.ts'
import { startRedis } from '../helpers/redis.ts'
import { act, codeFor, numberEnding } from './end-user.ts'

const [first, second] = ['k1', 'k2'].map(id => `${id}:${randomBytes(32).toString('base64')}`)

t.test('SEAL_KEYS rotate while everything goes on', async t => {
  const { url: redisUrl } = await startRedis(t)
  // A rotation, process by process: first all know the new key, then it seals, at last the old one goes.
  // No webhook of OTPLESS, which would reach the oldest process at any time, also after the rotation.
  const before = await startGateway(
    t, { redisUrl, environment: { OTPLESS_WEBHOOK_SECRET: '', SEAL_KEYS: `${first},${second}` } },
  )
  const { simulators } = before
  const settings = Object.fromEntries(
    Object.entries(before.environment).filter(([name]) => /^(TRUECALLER|TRUID|OTPLESS)_/.test(name)),
  )
  const after = await startGateway(t, { redisUrl, environment: { ...settings, SEAL_KEYS: `${second},${first}` } })
  const both: [from: typeof before, to: typeof before][] = [[before, after], [after, before]]
  const otp = { workflow: ['otpless.otp'] }

  for (const [from, to] of both) {
    const phoneNumber = numberEnding('02')
    const created = await from.shop.create(
      { phoneNumber, ...otp, reference: phoneNumber }, { 'idempotency-key': phoneNumber },
    )
    const { id, clientSecret } = created.body
    t.match(
      await to.shop.create({ phoneNumber, ...otp, reference: phoneNumber }, { 'idempotency-key': phoneNumber }),
      { status: 201, body: { id } }, 'the same key is the same create',
    )
    t.match(
      await to.shop.create({ phoneNumber, ...otp }, { 'idempotency-key': phoneNumber }),
      { status: 422, body: { code: 'idempotency_key_reused' } },
    )
    t.match(
      await to.shop.create({ phoneNumber, ...otp }),
      { status: 409, body: { code: 'verification_in_progress', verificationId: id } },
      'one live verification of a number',
    )
    t.equal((await to.shop.call('GET', `/verifications/${id}`)).body['attempts'][0].id, created.body['attempts'][0].id)
    const browser: Client = clientOf(to.url, clientSecret)
    t.match(
      await browser.call('POST', `/verifications/${id}/check`, { code: codeFor(phoneNumber) }),
      { status: 200, body: { status: 'verified' } },
    )
    t.equal((await from.shop.create({ phoneNumber, ...otp })).status, 201, 'an ended verification blocks no other one')
    for (const { shop } of [from, to]) {
      for (const query of [new URLSearchParams({ phoneNumber }), new URLSearchParams({ reference: phoneNumber })]) {
        t.ok(
          (
            await shop.call('GET', `/verifications?${query}`)
          ).body['data'].some((found: { id: string }) => found.id === id),
          'found by whatever key it was entered',
        )
      }
    }
    t.equal((await to.shop.call('DELETE', `/verifications/${id}`)).status, 204)
    t.match(
      (await to.shop.call('GET', `/verifications?${new URLSearchParams({ reference: phoneNumber })}`)).body,
      { data: [] },
    )
    t.not(
      (await from.shop.create({ phoneNumber: numberEnding('04'), ...otp }, { 'idempotency-key': phoneNumber })).status,
      422, 'the key of what was erased is free',
    )

    const pushed = await from.shop.create({ workflow: ['truecaller.web'] })
    await act(to.shop, simulators, pushed.body, numberEnding('06'))
    t.match(await to.shop.waitFor(pushed.body['id']), { status: 'verified' }, 'a callback key of the other one')
  }

  // The old key has leaked: what it made is not accepted any more, and its records are still ended and reported.
  const leakedNumber = numberEnding('10')
  const leaked = await before.shop.create({ phoneNumber: leakedNumber, ...otp })
  const { id, clientSecret } = leaked.body
  const marked = await startGateway(
    t, { redisUrl, environment: { ...settings, SEAL_KEYS: `${second},${first}:open` } },
  )
  const path = `/verifications/${id}`
  t.equal((await clientOf(marked.url, clientSecret).call('GET', path)).status, 401, 'a client secret of the old key')
  t.equal((await marked.shop.call('GET', path)).status, 404, 'an id of the old key')
  const query = new URLSearchParams({ phoneNumber: leakedNumber })
  const { body: found } = await marked.shop.call('GET', `/verifications?${query}`)
  t.match(found['data'], [{ id, status: 'pending' }], 'the record opens')
  const fresh = await marked.shop.create({ phoneNumber: numberEnding('12'), ...otp })
  const front = clientOf(marked.url, fresh.body['clientSecret'])
  t.equal((await front.call('GET', `/verifications/${fresh.body['id']}`)).status, 200)

  const old = await after.shop.create({ phoneNumber: numberEnding('08'), ...otp })
  const last = await startGateway(t, { redisUrl, environment: { ...settings, SEAL_KEYS: second ?? '' } })
  t.match(
    await clientOf(last.url, keys.shop).call('GET', `/verifications/${old.body['id']}`),
    { status: 200, body: { status: 'pending' } },
  )
})
