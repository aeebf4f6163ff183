import { ProviderError } from '../core/errors.ts'
import { eligibilityReasons } from '../core/reasons.ts'
import type { EvidenceKind } from '../core/vocabulary.ts'
import { parsePhoneNumber } from '../phone.ts'
import { anAttempt, openAdapter } from './attempt.ts'
import type { Kit } from './kit.ts'
import type { Expect } from './runner.ts'

const kinds: EvidenceKind[] = ['code', 'token', 'authorizationCode', 'payload', 'none']

export async function checkDeclared ({ promised, facts, started }: Kit, expect: Expect): Promise<void> {
  const { provider, method } = promised
  const { provider: name } = provider
  expect.holds(/^[a-z]+$/.test(name), 'The name of the provider must be lower-case letters.', name)
  expect.holds(
    new RegExp(`^${name}\\.[a-z_]+$`).test(method),
    'The method must be named provider.channel, in lower case with underscores.', method,
  )
  expect.holds(facts.timeoutMs > 0, '`timeoutMs` must be a time in ms.', facts.timeoutMs)
  expect.holds(
    facts.evidence.every(kind => kinds.includes(kind)), `\`evidence\` must consist of ${kinds.join(', ')}.`,
    facts.evidence,
  )
  expect.includes(
    facts.options, { type: 'object', additionalProperties: false },
    '`options` must be Type.Object({ … }, { additionalProperties: false }).',
  )
  const byId = promised.callbacks?.some(({ received }) =>
    received !== null && 'providerId' in received && received.providerId === started.id)
  expect.same(
    facts.isFoundByProviderId === true, byId ?? false,
    '`isFoundByProviderId` must be true if a callback names the `id` that `start` returned, and only then.',
  )
  expect.same(
    facts.redirect === 'fixed', promised.returns?.some(({ key }) => key !== undefined) ?? false,
    '`redirect` must be `fixed` if `returns` have a `key`, and only then.',
  )
  expect.holds(
    facts.redirect !== 'fixed' || facts.needsReturnUrl === true,
    'With `redirect: fixed`, `needsReturnUrl` must be true: without a returnUrl there is no redirect URL.',
  )
  expect.holds(
    !facts.sendsMessage || (!facts.isRepeatable && facts.startsLocally !== true),
    'A method that sends a message can be neither `isRepeatable` nor `startsLocally`: each message is counted.',
  )
  expect.same(
    facts.resend === undefined || facts.sendsMessage, true, 'Only a method that `sendsMessage` can have `resend`.',
  )
}

export async function checkSettings ({ promised, vendor, openIo }: Kit, expect: Expect): Promise<void> {
  const { provider } = promised
  const prefix = `${provider.provider.toUpperCase()}_`
  const io = openIo()
  expect.same(
    provider.open({}, io, provider.provider), null, '`open` must return null when there are no credentials.',
  )
  for (const [name, variable] of Object.entries(provider.settings.properties)) {
    expect.holds(name.startsWith(prefix), `Every variable must begin with ${prefix}`, name)
    expect.holds(
      'type' in variable && variable.type === 'string' && 'description' in variable
        && /\w/.test(String(variable.description)),
      `${name} must be made by setting(), secret(), credential() or flag(), with a description.`, variable,
    )
  }
  const settings = promised.settings(vendor)
  for (const name of Object.keys(settings)) {
    for (const value of [undefined, '', 'not valid\n\u0000']) {
      try {
        provider.open({ ...settings, [name]: value }, io, provider.provider)
      } catch (error) {
        const message = error instanceof Error ? error.message : ''
        expect.holds(
          message.startsWith(prefix) && !message.includes('not valid\n'),
          `For an unusable ${name}, \`open\` must throw an Error that begins with its name and does not repeat it.`,
          error,
        )
      }
    }
  }
}

export async function checkInstances (kit: Kit, expect: Expect): Promise<void> {
  const { promised: { provider, settings, good, method }, vendor, adapter, attempt, started, openIo } = kit
  if (provider.hasInstances !== true) return
  const io = openIo({ randomBytes: size => Buffer.alloc(size, 1) })
  const id = `${provider.provider}-north`
  const instance = openAdapter(provider, settings(vendor), io, id)
  const nameHere = (name: string): string => name.replace(/^[a-z]+/, id)
  expect.same(instance.provider, id, '`provider` of an instance must be the `id` that `open` receives.')
  expect.same(
    Object.keys(instance.methods), Object.keys(adapter.methods).map(nameHere),
    'Methods of an instance must have the `id` before the dot.',
  )
  const own = { ...attempt, method: nameHere(method) }
  expect.same(
    await instance.start(own), await kit.open().start(attempt), 'An instance must start as the provider itself does.',
  )
  vendor.answer = () => ({ status: 500 })
  const error = await errorOf(() => instance.resolve({ ...own, state: started.state }, good.evidence, {
    repeated: false,
  }))
  expect.holds(
    error instanceof ProviderError && error.provider === id, 'Errors must name the `id` that `open` receives.', error,
  )
}

export async function checkProbes ({ adapter, open, vendor }: Kit, expect: Expect): Promise<void> {
  for (const [name, probe] of Object.entries(adapter.probes ?? {})) {
    const [nobody, before] = [anAttempt({}), vendor.calls.length]
    vendor.answer = () => ({ status: 500 })
    const failed = await errorOf(async () => open().probes?.[name]?.(nobody))
    expect.holds(
      failed instanceof ProviderError, `The probe ${name} must throw a ProviderError for the status 500.`, failed,
    )
    vendor.answer = () => ({ status: 401, body: {} })
    const refused = await errorOf(() => probe(nobody))
    expect.holds(
      refused === null || refused instanceof ProviderError,
      `The probe ${name} must throw nothing but a ProviderError for the status 401.`, refused,
    )
    expect.holds(vendor.calls.length > before, `The probe ${name} must query the provider.`)
  }
}

export async function checkEligibility (kit: Kit, expect: Expect): Promise<void> {
  const { adapter, attempt: { method, device }, promised: { good }, vendor } = kit
  const known: unknown[] = [null, ...eligibilityReasons]
  for (const phoneNumber of [good.proven.phoneNumber, '+88312345678', '+447400123456']) {
    for (const country of [parsePhoneNumber(phoneNumber)?.country ?? null, null]) {
      const answer = adapter.canServe?.({ method, device, phoneNumber, country }) ?? null
      vendor.answer = () => ({ status: 500 })
      const error = typeof answer === 'function' ? await errorOf(answer) : null
      vendor.answer = kit.normally
      expect.holds(
        error === null || error instanceof ProviderError,
        'A query of `canServe` must throw nothing but a ProviderError.', error,
      )
      const said = typeof answer === 'function' ? await answer().catch(() => null) : answer
      expect.holds(known.includes(said), `\`canServe\` must say null or one of ${eligibilityReasons.join(', ')}.`, said)
    }
  }
}

/** What the work throws; null: nothing. */
export async function errorOf (work: () => unknown): Promise<unknown> {
  try {
    await work()
    return null
  } catch (error) {
    return error
  }
}
