import { readFile } from 'node:fs/promises'
import t from 'tap'
import type { TSchema } from 'typebox'
import { Compile } from 'typebox/compile'
import { buildOpenapi } from '../scripts/openapi.ts'
import * as schemas from '../src/routes/schemas.ts'

t.test('openapi/openapi.json is what the routes say: `node scripts/openapi.ts` writes it', async t => {
  const kept = await readFile(new URL('../openapi/openapi.json', import.meta.url), 'utf8')
  t.ok(kept === await buildOpenapi(), 'it is not stale')
})

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null

const examplesOf = (schema: unknown, path: string): { path: string, schema: TSchema, example: unknown }[] => {
  if (!isObject(schema)) return []
  const own = Array.isArray(schema['examples']) ? schema['examples'].map((example: unknown) => ({ path, schema, example })) : []
  return [
    ...own,
    ...Object.entries(schema).filter(([name]) => name !== 'examples').flatMap(([name, member]) => examplesOf(member, `${path}/${name}`)),
  ]
}

t.test('examples are examples', async t => {
  const examples = Object.entries(schemas).flatMap(([name, schema]) => examplesOf(schema, name))
  t.ok(examples.length > 30)
  for (const { path, schema, example } of examples) t.same(Compile(schema).Errors(example), [], path)
})
