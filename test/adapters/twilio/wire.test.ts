import t from 'tap'
import { twilio } from '../../../src/adapters/twilio/index.ts'
import { judgeCheck, judgeSilentCheck, readCreated, readSilentUrl } from '../../../src/adapters/twilio/wire.ts'
import { membersOf, type Members } from '../../../src/adapters/message.ts'
import { allowNull, openContracts, withoutContracts } from '../../helpers/contracts.ts'
import { anAttempt, openAdapter, openIo, openVendor } from '../../../src/conformance/index.ts'
import {
  answerWell, base, check, formOf, phoneNumber, settings, sid, silentErrors, silentUrl, verification,
} from './documented.ts'

const document = 'twilio_verify_v2.json'
const asked = { phoneNumber, sid, isSilent: false }

t.test('our requests and the answers that we accept are those of Twilio\'s description', {
  skip: withoutContracts(document),
}, async t => {
  const formats = { 'uri-map': /^/ }
  const { find, problemsOfAnswer, problemsOfRequest } = await openContracts([document], { amend: allowNull, formats })
  const vendor = await openVendor(t, answerWell)
  const adapter = openAdapter(twilio, settings(vendor), openIo(t))
  for (const method of Object.keys(adapter.methods)) {
    const attempt = anAttempt({ method, phoneNumber, locale: 'en-GB' })
    const { state } = await adapter.start(attempt)
    await adapter.resolve({ ...attempt, state }, { code: '550100' }, { repeated: false })
    await adapter.cancel?.({ ...attempt, state })
  }
  await adapter.probes?.['credentials']?.(anAttempt({}))
  const seen = new Set<string>()
  for (const call of vendor.calls) {
    const found = find(call.method, call.path)
    t.ok(found, call.path)
    if (found === undefined) continue
    seen.add(found.name)
    const { EnableSnaClientToken: flag, ...form } = formOf(call)
    const typed = { ...form, ...flag === undefined ? {} : { EnableSnaClientToken: JSON.parse(flag) } }
    const answer = answerWell(vendor, call)
    const { status = 200, body } = answer === 'hang' ? {} : answer
    const exchange = {
      method: call.method, path: call.path, headers: call.headers, status, answer: body,
      body: call.method === 'GET' ? undefined : typed, answerHeaders: { 'content-type': 'application/json' },
    }
    t.strictSame(problemsOfRequest(found.operation, exchange), [], `${found.name} ${call.text}`)
    t.strictSame(problemsOfAnswer(found.operation, exchange), [], `${found.name} ${status}`)
  }
  t.strictSame([...seen].sort(), [
    'GET /v2/Services/{Sid}', 'POST /v2/Services/{ServiceSid}/VerificationCheck',
    'POST /v2/Services/{ServiceSid}/Verifications', 'POST /v2/Services/{ServiceSid}/Verifications/{Sid}',
  ])
})

t.test('the samples of the description are read', { skip: withoutContracts(document) }, async t => {
  const { find } = await openContracts([document])
  const samplesOf = (path: string, status: string): [string, Members][] => {
    const media: object = find('POST', path)?.operation.responses[status]?.content?.['application/json'] ?? {}
    const examples = Object.entries(membersOf(membersOf(media).examples))
    return examples.map(([name, example]) => [name, membersOf(membersOf(example).value)])
  }
  const created = samplesOf(`${base}/Verifications`, '201').filter(([, { to }]) => /^\+\d+$/.test(String(to)))
  t.ok(created.length >= 5)
  for (const [name, body] of created) {
    const read = readCreated(201, body, String(body['to']))
    t.match(read, { sid: body['sid'] }, name)
    if (body['channel'] === 'sna') t.match(read, { url: /^https:/ }, name)
  }
  for (const status of ['200', '201']) {
    for (const [name, body] of samplesOf(`${base}/VerificationCheck`, status)) {
      if (!/^\+\d+$/.test(String(body['to']))) continue
      const ours = { phoneNumber: String(body['to']), sid: String(body['sid']), isSilent: body['channel'] === 'sna' }
      const judged = ours.isSilent ? judgeSilentCheck(200, body, ours, true) : judgeCheck(200, body, ours)
      t.equal(judged, body['status'] === 'approved' ? 'proven' : 'pending', name)
    }
  }
})

t.test('a check is judged by its status', t => {
  for (const [status, verdict] of [
    ['approved', 'proven'], ['pending', 'pending'], ['max_attempts_reached', 'code_attempts_exhausted'],
    ['canceled', 'evidence_expired'], ['deleted', 'evidence_expired'], ['expired', 'evidence_expired'],
    ['failed', 'evidence_invalid'], ['APPROVED', 'provider_bad_response'], [null, 'provider_bad_response'],
    [true, 'provider_bad_response'],
  ] as const) t.equal(judgeCheck(200, { ...check('sms', 'approved'), status }, asked), verdict, String(status))
  const approved = check('sms', 'approved')
  for (const [more, verdict] of [
    [{ valid: null }, 'proven'], [{ valid: 'true' }, 'proven'], [{ valid: false }, 'provider_bad_response'],
    [{ to: null }, 'proven'], [{ to: '14155550100' }, 'proven'], [{ to: '+14155550101' }, 'provider_bad_response'],
    [{ sid: null }, 'proven'], [{ sid: `VE${'0'.repeat(32)}` }, 'provider_bad_response'],
    [{ channel: null }, 'proven'], [{ channel: 'call' }, 'proven'], [{ channel: 'sna' }, 'evidence_invalid'],
  ] as const) t.equal(judgeCheck(200, { ...approved, ...more }, asked), verdict, JSON.stringify(more))
  for (const body of [null, [], 'approved', {}, { status: { approved: true } }]) {
    t.equal(judgeCheck(200, body, asked), 'provider_bad_response', JSON.stringify(body))
  }
  t.end()
})

t.test('the latest code of a silent check decides, unless it is approved', t => {
  const silent = { ...asked, isSilent: true }
  const judge = (status: string, codes: unknown[], hasToken = true) =>
    judgeSilentCheck(200, check('sna', status, silentErrors(...codes)), silent, hasToken)
  t.equal(judge('approved', [60500]), 'proven')
  t.equal(judge('pending', []), 'evidence_invalid')
  t.equal(judge('pending', [], false), 'pending')
  t.equal(judge('pending', [60519]), 'pending')
  t.equal(judge('pending', [60519, '60500']), 'number_mismatch')
  t.equal(judge('pending', [60520]), 'provider_error')
  t.equal(judge('expired', [60500]), 'evidence_expired')
  const odd = check('sna', 'pending', { sna_attempts_error_codes: 'x' })
  t.equal(judgeSilentCheck(200, odd, silent, false), 'pending')
  t.end()
})

t.test('a phone is given https URLs only; in a sandbox, http ones as well', t => {
  for (const url of [
    'http://mi.dnlsrv.com/m', 'https://user@mi.dnlsrv.com/m', 'https://:p@mi.dnlsrv.com/m', 'https://mi.dnlsrv.com/m#x',
    'https://mi.dnlsrv.com:8443/m', 'javascript:alert(1)', 'data:text/html,x', '//mi.dnlsrv.com/m', '', null,
  ]) t.equal(readSilentUrl(url, false), null, String(url))
  for (const url of [silentUrl, 'https://silent.example/x?a=b']) t.equal(readSilentUrl(url, false), url)
  t.equal(readSilentUrl('http://127.0.0.1:1/x', true), 'http://127.0.0.1:1/x')
  t.equal(readSilentUrl('javascript:alert(1)', true), null)
  t.match(readCreated(201, verification('sna'), phoneNumber), { sid, url: silentUrl })
  t.end()
})
