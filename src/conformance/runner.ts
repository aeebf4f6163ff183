import { AssertionError } from 'node:assert'
import { inspect, isDeepStrictEqual } from 'node:util'

/** What the contract needs of a test runner. The context of a test has it in `node:test` and in tap. */
export type Runner = {
  test (name: string, run: (t: Runner) => Promise<void>): Promise<unknown>
  after (run: () => unknown): unknown
}
export type Owner = Pick<Runner, 'after'>

/** Each throws an `AssertionError` that says what an adapter must do, what it did, and where to read about it. */
export type Expect = {
  /** Both are the same, with the same types. */
  same: (found: unknown, wanted: unknown, rule: string) => void
  /** All members of `wanted` are in `found`, with the same values. */
  includes: (found: unknown, wanted: object, rule: string) => void
  /** `found`: what shows that it does not hold. */
  holds: (condition: boolean, rule: string, found?: unknown) => void
  /** `details`: what shows why, by name. */
  fail: (rule: string, details?: Record<string, unknown>) => never
}

export const documentation = 'docs/conformance.md'

/** `section`: the anchor in the documentation. */
export function createExpect (section: string): Expect {
  const fail = (rule: string, details: Record<string, unknown> = {}): never => {
    const shown = Object.entries(details).map(([name, value]) => `\n  ${name}: ${show(value)}`)
    const message = `${rule}${shown.join('')}\n  Read ${documentation}#${section}`
    throw new AssertionError({ message, operator: 'contract' })
  }
  return {
    same (found, wanted, rule) {
      if (!isDeepStrictEqual(found, wanted)) fail(rule, { found, wanted })
    },
    includes (found, wanted, rule) {
      if (!isDeepStrictEqual({ ...Object(found), ...wanted }, found)) fail(rule, { found, wanted })
    },
    holds (condition, rule, ...found) {
      if (!condition) fail(rule, found.length === 0 ? {} : { found: found[0] })
    },
    fail,
  }
}

/** At most this many characters of a value are shown. */
const maxLength = 1500

/** Lines of a stack that lead to no code of an author. */
const foreignLine = /\n +at .*(node:internal|\/conformance\/|\/fast-check\/).*/g

function show (value: unknown): string {
  const text = inspect(value, { depth: 8, breakLength: 100, maxStringLength: 300 })
    .replaceAll(foreignLine, '').replaceAll('\n', '\n    ')
  return text.length > maxLength ? `${text.slice(0, maxLength)}…` : text
}
