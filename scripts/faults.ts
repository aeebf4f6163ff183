import { glob, readFile } from 'node:fs/promises'
import { tapStream, test } from './test.ts'

/** What the oracle of the fault tests says: `<what was injected>: <n> lifecycles (<ends>), lost 0, …`. */
const verdict = /^\s*# (.+: \d+ lifecycles .*)$/

/** Runs the fault tests in their long form, and then says once more what was injected and what came of it. */
if (import.meta.main) {
  process.env['FAULTS'] = 'full'
  const files = process.argv.length > 2 ? process.argv.slice(2) : await Array.fromAsync(glob('test/faults/*.test.ts'))
  const passed = await test(['--disable-coverage', ...files], async () => {
    const lines = (await readFile(tapStream, 'utf8')).split('\n').flatMap(line => verdict.exec(line)?.[1] ?? [])
    console.log(['', 'Injected, and what became of the lifecycles:', ...lines.map(line => `  ${line}`)].join('\n'))
  })
  process.exitCode = passed ? 0 : 1
}
