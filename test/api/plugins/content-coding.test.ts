import t from 'tap'
import { acceptsGzip } from '../../../src/api/plugins/content-coding.ts'

t.test('gzip is accepted by its name, unless its weight is zero', async t => {
  const accepts = (text?: string): boolean =>
    acceptsGzip({ headers: text === undefined ? {} : { 'accept-encoding': text } })
  for (const text of ['gzip', 'deflate, gzip;q=0.5', 'GZIP', 'gzip;q=0.001, br']) t.ok(accepts(text), text)
  for (const text of [undefined, '', 'br', 'gzip;q=0', 'gzip; q=0.0, br']) t.notOk(accepts(text), String(text))
})
