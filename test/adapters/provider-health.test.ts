import t from 'tap'
import { createProviderHealth, type HealthChannel } from '../../src/adapters/provider-health.ts'

/** A channel in this process; each text reaches every listener at once. */
function createChannel () {
  const listeners = new Set<(text: string) => void>()
  const texts: string[] = []
  const channel: HealthChannel = {
    send (text) {
      texts.push(text)
      for (const listener of listeners) listener(text)
    },
    listen (listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
  }
  return { channel, texts, listeners }
}
const now = () => 1_000_000
const turn = () => new Promise(resolve => setImmediate(resolve))

const vendor = { status: 503, code: null, text: 'Try again' }

t.test('a breaker that opens in one process is open in the others', async t => {
  const { channel, texts, listeners } = createChannel()
  const [a, b] = ['a', 'b'].map(id => createProviderHealth({ now, channel, id }))
  if (a === undefined || b === undefined) throw new Error('two processes')
  const alone = createProviderHealth({ now })
  const [here, there] = [a.of('truid.phone_check', 'start'), b.of('truid.phone_check', 'start')]
  t.equal(a.of('truid.phone_check', 'start'), here, 'one for each kind of call')
  for (let n = 0; n < 10; n += 1) {
    for (const health of [here, alone.of('truid.phone_check', 'start')]) health.record({
      verificationId: `ver_${n}`, isRetry: false, sign: 'failed', reason: 'provider_error', vendor, isProbe: false,
      at: now(),
    })
  }
  t.ok(here.isOpen())
  t.notOk(there.isOpen())
  await turn()
  t.ok(there.isOpen())
  t.notOk(b.of('truid.phone_check', 'resolve').isOpen())
  t.match(there.total(now()), { failed: 10, lastFailure: { reason: 'provider_error', vendor } })
  t.equal(texts.length, 1, 'one text for the changes of one turn')
  t.notMatch(texts[0], /ver_/, 'it names no verification')
  a.close()
  b.close()
  t.equal(listeners.size, 0)
})

t.test('texts that are not understood are ignored', async t => {
  const { channel } = createChannel()
  const health = createProviderHealth({ now, channel, id: 'a' })
  t.teardown(() => health.close())
  const truid = health.of('truid.phone_check', 'start')
  const told = {
    closedAt: 0, openedAt: now(), ok: 0, failed: 0, misconfigured: 0, lastSuccessAt: null, lastFailure: null,
  }
  const text = (from: string, more: object) =>
    JSON.stringify({ from, calls: { 'truid.phone_check start': { ...told, ...more } } })
  for (const each of [
    '', 'null', '{', '[]', '{"from":"b"}', text('b', { openedAt: 'x' }), text('b', { failed: -1 }), text('', {}),
    text('b', { lastFailure: { at: 1, reason: 'x' } }),
    text('b', { lastFailure: { at: 1, reason: 'provider_error', vendor: { ...vendor, code: 1 } } }), text('a', {}),
    JSON.stringify({ from: 'b', calls: { 'unknown start': told } }),
  ]) channel.send(each)
  t.notOk(truid.isOpen())
  channel.send(text('b', { later: 1 }))
  t.ok(truid.isOpen(), 'a later version may tell more')
})
