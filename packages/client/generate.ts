import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import openapiTypescript, { astToString, type OpenAPI3 } from 'openapi-typescript'

export const typesFile = join(import.meta.dirname, 'src', 'schema.ts')

/** The TypeScript types of an API document, whose text is given. */
export async function generateTypes (document: string): Promise<string> {
  const parsed: OpenAPI3 = JSON.parse(document)
  const nodes = await openapiTypescript(parsed, {
    rootTypes: true, rootTypesNoSchemaPrefix: true, rootTypesKeepCasing: true, additionalProperties: false,
    silent: true,
  })
  const types = astToString(nodes)
    // Otherwise TypeScript reduces the union to `string`, and editors propose none of the words.
    .replaceAll(/(\["Known\w+"\]) \| string;/g, '$1 | (string & {});')
    .replaceAll(/^export type Response.*\n/gm, '')
  return `// Generated from openapi/openapi.json by \`node scripts/openapi.ts\`: do not edit.\n\n${types}`
}

export const writeTypes = async (document: string): Promise<void> =>
  writeFileSync(typesFile, await generateTypes(document))
