import { execFile } from 'node:child_process'
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { build } from 'esbuild'
import { collectLicenses } from '../../scripts/bundle.ts'

const folder = import.meta.dirname
const root = join(folder, '../..')
const dist = join(folder, 'dist')

/** Builds `dist`: one ES module without imports, its types, and the licenses of the packages in it. */
export async function buildClient (): Promise<void> {
  await rm(dist, { recursive: true, force: true })
  const { metafile } = await build({
    entryPoints: [join(folder, 'src', 'index.ts')], outfile: join(dist, 'index.js'), absWorkingDir: root, bundle: true,
    format: 'esm', target: 'es2022', charset: 'utf8', legalComments: 'none', metafile: true, platform: 'neutral',
    mainFields: ['module', 'main'], conditions: ['import'],
    banner: { js: '// @verigate/client, MIT. Licenses of the packages in this file: licenses.txt' },
  })
  await writeFile(join(dist, 'licenses.txt'), await collectLicenses(Object.keys(metafile.inputs)))
  await promisify(execFile)(process.execPath, [
    join(root, 'node_modules/.bin/tsc'), '-p', folder, '--noEmit', 'false', '--declaration', '--emitDeclarationOnly',
    '--outDir', dist,
  ])
}

if (import.meta.main) await buildClient()
