import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { declared } from '../src/adapters/index.ts'

/** The JSON schema of `PROVIDERS_FILE`, as it is published for editors. */
export const schemaText = (): string => `${JSON.stringify(declared.ProvidersFile, null, 2)}\n`

export const schemaPath = join(import.meta.dirname, '../examples/providers/providers.schema.json')

// Writes the schema when it is run: `node scripts/providers-schema.ts`.
if (process.argv[1] === import.meta.filename) writeFileSync(schemaPath, schemaText())
