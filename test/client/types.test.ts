import { readFile } from 'node:fs/promises'
import t from 'tap'
import { generateTypes, typesFile } from '../../packages/client/generate.ts'
import type { Verification } from '../../packages/client/src/index.ts'
import type { VerificationView } from '../../src/api/schemas/verification.ts'

t.test('the types are those of openapi/openapi.json; `node scripts/openapi.ts` writes both', async t => {
  const document = await readFile(new URL('../../openapi/openapi.json', import.meta.url), 'utf8')
  t.ok(await readFile(typesFile, 'utf8') === await generateTypes(document))
})

t.test('what the gateway sends is what the client reads', async t => {
  // The type check fails if it is not.
  const read = (sent: VerificationView): Verification => sent
  t.type(read, 'function')
})
