import t from 'tap'
import { createEventReader } from '../../packages/element/src/client.ts'

const event = (revision: number, rest = ''): string =>
  `id: ${revision}\nevent: verification.updated\ndata: ${JSON.stringify({ revision, attempts: [], rest })}\n\n`

t.test('a stream is read in whatever pieces it arrives', async t => {
  const text = `retry: 1500\n\n${event(1)}:\n\n${event(2, 'data: x\\n\\n')}${event(3).replaceAll('\n', '\r\n')}`
  for (const size of [1, 2, 7, 64, text.length]) {
    const seen: number[] = []
    const read = createEventReader(({ revision }) => { seen.push(revision) })
    for (let from = 0; from < text.length; from += size) read(text.slice(from, from + size))
    t.strictSame(seen, [1, 2, 3], `${size} characters each`)
  }
})

t.test('what is no verification is skipped', async t => {
  const seen: number[] = []
  const read = createEventReader(({ revision }) => { seen.push(revision) })
  read('data: null\n\ndata: 5\n\ndata: {}\n\nevent: other\n\n')
  read('data: {"revision":1,"attempts":[]}\n\n')
  read('data: {"revision":2,"attempts":[]}')
  t.strictSame(seen, [1], 'the last one has not ended')
})
