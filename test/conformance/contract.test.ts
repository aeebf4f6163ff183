import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { checks } from '../../src/conformance/contract.ts'
import { contract, type Contract, type Runner } from '../../src/conformance/index.ts'
import { documentation } from '../../src/conformance/runner.ts'
import { toyCall } from '../adapters/toy/documented.ts'
import { anchorOf, headingsOf } from '../docs/documents.ts'
import { brokenContracts } from './broken.ts'

/** What a test runner would show of this section. */
async function failuresOf (t: Test, promised: Contract, section: string): Promise<string[]> {
  const failures: string[] = []
  const isWanted = (name: string): boolean =>
    checks.some(([promise, itsSection]) => promise === name && itsSection === section)
  const keep = (error: unknown): void => void failures.push(error instanceof Error ? error.message : String(error))
  const runner: Runner = {
    after: run => t.teardown(run),
    test: async (name, run) => isWanted(name) ? run(runner).catch(keep) : undefined,
  }
  await contract(runner, promised).catch(keep)
  return failures
}

t.test('each mistake of an adapter is found, and its author learns what is wrong and where to read', async t => {
  for (const { name, section, says, promised } of brokenContracts) {
    const failures = await failuresOf(t, promised, section)
    t.match(failures, [says], name)
    t.strictSame(failures.filter(text => !text.endsWith(`Read ${documentation}#${section}`)), [], name)
  }
  const found = new Set(brokenContracts.map(({ section }) => section))
  t.strictSame(checks.filter(([, section]) => !found.has(section)), [], 'each promise was broken')
})

t.test('a contract that cannot begin', async t => {
  const [unknown = ''] = await failuresOf(t, { ...toyCall, method: 'toy.sms' }, 'start')
  t.match(unknown, /must have the method toy\.sms.*'toy\.call'.*#what-you-write$/s)
  const [failed = ''] = await failuresOf(t, { ...toyCall, vendor: () => ({ status: 404 }) }, 'start')
  t.match(failed, /`start` must succeed.*provider_bad_response \(status 404\).*POST \/toy\/checks.*#what-you-write$/s)
})

t.test('each section is in the documentation', async t => {
  const text = readFileSync(join(import.meta.dirname, '../..', documentation), 'utf8')
  const anchors = headingsOf(text).map(anchorOf)
  t.strictSame([...checks.map(([, section]) => section), 'what-you-write'].filter(one => !anchors.includes(one)), [])
})
