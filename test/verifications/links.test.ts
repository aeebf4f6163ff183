import t from 'tap'
import type { AdapterMap } from '../../src/adapters/guard.ts'
import { createStore } from '../../src/store/record-store.ts'
import { createLinks } from '../../src/verifications/links.ts'
import { createRecordCodec } from '../../src/verifications/record-codec.ts'
import { openTestbed } from '../helpers/verifications.ts'

const { setUp, redis } = await openTestbed(t)

t.test('a URL that an adapter can build is not stored, and is there in every answer', async t => {
  const room = setUp()
  const { create, gateway, store, sealer, ids, namespace, adapters } = room
  const { id, attempts: [attempt] } = await create({ workflow: ['toy.web'], locale: 'de' })
  const key = ids.callbackKey(id, 0, 'callback')
  t.match(attempt, { action: { type: 'openDeepLink', url: `toy://${key}/de/{}` } })
  t.match((await gateway.get(id)).attempts, [attempt])
  t.match((await store.load(id))?.record.attempts, [attempt])

  const openStore = (adapters: AdapterMap) =>
    createStore({ redis, sealer, namespace, ...createRecordCodec(createLinks({ adapters, ids })) })
  const bytes = createRecordCodec(createLinks({ adapters, ids })).encode(await gateway.get(id))
  t.notOk(bytes.includes('toy:'))
  t.strictSame(
    (await openStore(new Map()).load(id))?.record.attempts, [{ ...attempt, action: null }],
    'the provider is not configured any more',
  )
  t.strictSame((await openStore(adapters).load(id))?.record.attempts, [attempt])
  const opened = await gateway.get((await create({ workflow: ['toy.silent'], onConflict: 'replace' })).id)
  t.match(opened.attempts, [{ action: { url: 'https://toy.example/' } }], 'other URLs are stored')
})
