import { globSync, readFileSync } from 'node:fs'
import { isBuiltin } from 'node:module'
import { join } from 'node:path'
import { satisfies } from 'semver'
import t from 'tap'
import lock from '../package-lock.json' with { type: 'json' }
import manifest from '../package.json' with { type: 'json' }

const root = join(import.meta.dirname, '..')

type Locked = {
  resolved?: string, version?: string, engines?: unknown, deprecated?: string, hasInstallScript?: boolean
}

/** The oldest release of each line on which `npm ci` prints no warning. */
const oldestNodes = ['20.19.0', '22.12.0', '24.0.0']
const packages: [path: string, Locked][] = Object.entries(lock.packages)

/** `engines` of an old package may be an array, which npm ignores. */
const nodeRange = ({ engines }: Locked): string =>
  typeof engines === 'object' && engines !== null && 'node' in engines ? String(engines.node) : '*'

t.test('`npm ci` prints no warning', async t => {
  t.ok(packages.length > 100, `${packages.length} packages`)
  t.strictSame(packages.flatMap(([path, locked]) => {
    const excluded = oldestNodes.filter(version => !satisfies(version, nodeRange(locked)))
    return excluded.length === 0 ? [] : [`${path} ${locked.version} needs Node.js ${nodeRange(locked)}`]
  }), [], 'EBADENGINE')
  t.strictSame(packages.flatMap(([path, { deprecated }]) => deprecated === undefined ? [] : [path]), [], 'deprecated')
  const withScripts = packages.filter(([, { hasInstallScript }]) => hasInstallScript === true)
    .map(([path]) => path.replace(/^.*node_modules\//, ''))
  const decided = Object.keys(manifest.allowScripts)
  t.strictSame(withScripts.sort(), decided.sort(), 'each install script is allowed or refused by name')
})

t.test('every package that is imported is listed', t => {
  const listed = new Set([...Object.keys(manifest.dependencies), ...Object.keys(manifest.devDependencies)])
  const imported = globSync('{src,test,scripts}/**/*.ts', { cwd: root }).flatMap(file =>
    [...readFileSync(join(root, file), 'utf8').matchAll(/^(?:import|export|\}) .*from '((?:@[\w-]+\/)?[\w-]+)/gm)]
      .flatMap(([, name = '']) => isBuiltin(name) || name.startsWith('@verigate/') ? [] : [`${file}: ${name}`]))
  t.ok(imported.length > 500, `${imported.length} imports`)
  t.strictSame(imported.filter(entry => !listed.has(entry.slice(entry.indexOf(': ') + 2))), [])
  t.end()
})
