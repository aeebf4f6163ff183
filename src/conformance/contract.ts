import { AssertionError } from 'node:assert'
import { inspect } from 'node:util'
import { reasons } from '../core/reasons.ts'
import { digitsOf } from '../phone.ts'
import { callbackKey } from './attempt.ts'
import { checkDamages, checkOtherAnswers, checkStatuses, checkWritings } from './check-answers.ts'
import { checkCallbacks, checkRedirects, checkSignatures } from './check-callbacks.ts'
import {
  checkDeclared, checkEligibility, checkInstances, checkProbes, checkSettings,
} from './check-declared.ts'
import { checkBad, checkGood, checkOtherEvidence, checkRepeated } from './check-evidence.ts'
import { checkCancel, checkResend, checkStart } from './check-start.ts'
import { prepare, type Contract, type Kit } from './kit.ts'
import { createExpect, type Expect, type Runner } from './runner.ts'

type Check = (kit: Kit, expect: Expect) => Promise<void>

/** What every method promises; `section`: where the documentation says more. */
export const checks: readonly [promise: string, section: string, check: Check][] = [
  ['the method is declared', 'declared', checkDeclared],
  ['settings are read, or refused by name', 'settings', checkSettings],
  ['`start` returns the action, and a state that survives JSON', 'start', checkStart],
  ['the same is sent again', 'resend', checkResend],
  ['an attempt is canceled at the provider', 'cancel', checkCancel],
  ['every instance has its own provider id', 'instances', checkInstances],
  ['the operator can probe the provider', 'probes', checkProbes],
  ['a number that the method cannot serve is named', 'eligibility', checkEligibility],
  ['good evidence proves the number', 'good-evidence', checkGood],
  ['bad evidence does not', 'bad-evidence', checkBad],
  ['repeated evidence says the same', 'repeated-evidence', checkRepeated],
  ['evidence of any other form proves nothing', 'other-evidence', checkOtherEvidence],
  ['other writings of an answer say the same', 'other-writings', checkWritings],
  ['answers of any other form prove nothing', 'other-answers', checkOtherAnswers],
  ['every status of the provider has its meaning', 'statuses', checkStatuses],
  ['a damaged answer is the fault of the provider', 'damaged-answers', checkDamages],
  ['documented callbacks are read, and others are not', 'callbacks', checkCallbacks],
  ['documented redirects are read, and others are not', 'redirects', checkRedirects],
  ['an altered callback is refused', 'signatures', checkSignatures],
  ['no secret and no number is in an error', 'secrets', checkSecrets],
]

/** Checks that one method of an adapter does what every adapter promises: each promise is a test of its own. */
export async function contract (t: Runner, promised: Contract): Promise<void> {
  const kit = await prepare(t, promised)
  const { vendor, normally } = kit
  for (const [promise, section, check] of checks) {
    await t.test(promise, async () => {
      vendor.answer = normally
      vendor.calls.length = 0
      const expect = createExpect(section)
      await check(kit, expect).catch((error: unknown) => {
        if (error instanceof AssertionError) throw error
        expect.fail('The adapter must throw nothing but a ProviderError.', { found: error })
      })
    })
  }
}

/** How a provider may repeat what it was sent. */
const echoes = [200, 400, 401, 403, 404, 409, 422, 500]

async function checkSecrets (kit: Kit, expect: Expect): Promise<void> {
  const { promised, attempt, vendor, normally, run, open, started, errors, answers } = kit
  const numbers = [promised.good.proven.phoneNumber, attempt.phoneNumber].filter(number => number !== null)
  const hidden = [...promised.secrets, ...numbers.map(digitsOf), callbackKey, vendor.host]
  expectHidden(expect, hidden, [...errors, ...answers])
  for (const { call: isSwept, phase, state: known = started.state } of promised.refusals) {
    for (const status of echoes) {
      vendor.answer = call => {
        if (!isSwept(call)) return normally(call)
        const { method, path, headers, text } = call
        const message = `cannot ${method} ${path} ${JSON.stringify(headers)} ${text}`
        return { status, body: { code: message, error: message, message, detail: message, title: message } }
      }
      await run(phase, { by: open(), known })
    }
  }
  for (const { reason, provider } of errors) {
    expect.holds(Object.hasOwn(reasons, reason), 'The reason of a ProviderError must be one of the closed set.', reason)
    expect.same(provider, promised.provider.provider, 'A ProviderError must name the provider.')
  }
  // A plain word in a provider's text says what was refused.
  expectHidden(expect, hidden.filter(text => !/^[a-z_]+$/i.test(text)), [...errors, ...answers])
}

function expectHidden (expect: Expect, hidden: readonly string[], values: readonly unknown[]): void {
  const shown = new Set(values.map(value => inspect(value, { depth: 10, showHidden: true })))
  for (const text of shown) {
    const word = hidden.find(word => text.includes(word))
    if (word === undefined) continue
    expect.fail('No secret, no phone number and no address may be in an error or in `vendor`.', { word, found: text })
  }
}
