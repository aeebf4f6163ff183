import t from 'tap'
import { signatureFormNames } from '../../src/sandbox/truid/signature.ts'
import type { Received } from '../sandbox/receiver.ts'
import { startCapturing } from './captured-callbacks.ts'
import { numberEnding, post } from './end-user.ts'

t.test('tru.ID\'s callback is accepted in every legal form of its signature, never with another body', async t => {
  const { shop, simulators, capture, counted, deliver } = await startCapturing(t)
  const finished: { form: string, id: string, callback: Received }[] = []
  for (const form of signatureFormNames) {
    const { status } = await post(`${simulators.url}/control/truid/signature-form`, { form })
    t.equal(status, 204)
    const { body } = await shop.create({
      phoneNumber: numberEnding('02'), workflow: [{ method: 'truid.phone_check', options: { version: 'v0.1' } }],
    })
    const callback = await capture(one => one.body['reference_id'] === body['attempts'][0].id)
    finished.push({ form, id: String(body['id']), callback })
  }
  const forged = finished.map(({ callback }) => ({ ...callback, text: callback.text.replace('true', 'null') }))
  t.strictSame(await counted(() => Promise.all(forged.map(deliver)), 'truid'), { digest_mismatch: finished.length })
  const genuine = () => Promise.all(finished.map(({ callback }) => deliver(callback)))
  t.strictSame(await counted(genuine, 'truid'), { accepted: finished.length })
  // In v0.1 nothing but the callback makes the gateway read the check here.
  for (const { form, id } of finished) t.hasStrict(await shop.waitFor(id), { status: 'verified' }, form)
})
