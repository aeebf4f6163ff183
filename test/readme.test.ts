import { readFileSync } from 'node:fs'
import t from 'tap'
import { providers } from '../src/adapters/index.ts'
import { variables } from '../src/config.ts'
import { apiErrors } from '../src/core/errors.ts'
import { reasonWords } from '../src/core/reasons.ts'
import { scenarios } from '../src/sandbox/scenarios.ts'

const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8')

t.test('the README leaves nothing out and says what the code says', async t => {
  for (const [name, schema] of Object.entries(variables)) t.ok(
    readme.includes(`| \`${name}\` | ${'description' in schema ? schema.description : ''} |`), name,
  )
  const suffixes = scenarios.map(({ suffix }) => suffix).filter(suffix => /^\d+$/.test(suffix))
  for (
    const word of [...reasonWords, ...Object.keys(apiErrors), ...suffixes]
  ) t.ok(readme.includes(`\`${word}\``), word)
  for (const { provider } of providers) t.ok(readme.includes(`\`${provider}.`), provider)
  for (const [, path = ''] of readme.matchAll(/\]\((src\/[^)]+|openapi\/[^)]+|ops\/[^)]+|LICENSE)\)/g)) t.doesNotThrow(() => readFileSync(new URL(`../${path}`, import.meta.url)), path)
})
