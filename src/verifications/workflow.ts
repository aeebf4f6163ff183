import type { TSchema } from 'typebox'
import { Compile, type Validator } from 'typebox/compile'
import type { Method } from '../adapters/adapter.ts'
import type { MethodContext, Methods } from '../adapters/guard.ts'
import { ApiError, type FieldError } from '../core/errors.ts'
import { canServe, oneOfEach, provesEnough, type Known } from '../core/routing.ts'
import type { Step } from '../core/verification.ts'
import type { Json } from '../core/vocabulary.ts'
import type { App, WorkflowItem } from '../apps/apps.ts'

export type WorkflowRequest = readonly WorkflowItem[]

/**
 * The option that every method has: a user's refusal continues with the next step instead of ending the verification.
 */
const rejectionOption = 'continueWhenRejected'
/** The option by which a method that takes codes lets its caller choose their length. */
const lengthOption = 'codeLength'
/** NIST SP 800-63B section 5.1.3.2: six digits, ten minutes. */
const minCodeLength = 6
const maxCodeLifeMs = 600_000

/** `getsMessages`: whether the number is of a type that gets messages; absent: it is. Asked only if it matters. */
export type Requested = Omit<Known, 'withoutMessages'> & { getsMessages?: () => boolean }

/** `weakCodes`: shorter codes and longer lives are permitted. */
export type CodeRules = { weakCodes?: boolean | undefined }

/**
 * The steps of a new verification: the requested ones, else the app's, else the configured methods that can serve the
 * request, silent methods first, one of each rank. A requested step that cannot serve it stays, and is skipped when it
 * would start. Throws `ApiError`: a method that does not exist, an option that it does not have, or no method that can
 * serve the request.
 */
export function planWorkflow (
  items: WorkflowRequest | undefined, { getsMessages = () => true, ...request }: Requested,
  { methods, isOpen }: MethodContext, codes: CodeRules = {},
): Step[] {
  const chosen = items ?? defaultWorkflow(request, methods, codes)
  const steps = chosen.map((item, index) => planStep(readItem(item), index, methods, codes))
  const withoutMessages = steps.some(({ sendsMessage }) => sendsMessage === true) && !getsMessages()
  const known: Known = { ...request, withoutMessages }
  const serving = steps.filter(step => canServe(step, known, methods))
  if (serving.length > 0 && items === undefined) {
    return oneOfEach(serving, ({ method }) => methods.get(method)?.defaultRank, { isOpen })
  }
  if (serving.length > 0 && serving.length === steps.length) return serving
  if (serving.length > 0) return steps.map(step => serving.includes(step) ? step : { ...step, isUnfit: true })
  if (steps.some(step => canServe(step, { ...known, withoutMessages: false }, methods))) {
    throw new ApiError('number_type_not_allowed', 'Numbers of this type get no messages.', {
      errors: [{ field: 'phoneNumber', message: 'is of a type that gets no messages' }],
      refusal: { cause: 'number_type_not_allowed' },
    })
  }
  if (steps.some(step => canServe(step, { ...known, minAssurance: 1 }, methods))) {
    const message = 'is above the assurance of every method that can serve the request'
    throw new ApiError('no_eligible_method', `\`minAssurance\` ${known.minAssurance} ${message}.`, {
      errors: [{ field: 'minAssurance', message }],
    })
  }
  if (known.testNumber !== undefined) {
    const message = 'is a test number, and no method of the workflow takes a typed code'
    throw new ApiError(
      'no_eligible_method', `\`phoneNumber\` ${message}.`, { errors: [{ field: 'phoneNumber', message }] },
    )
  }
  if (known.returnUrl === null && steps.some(step => canServe(step, { ...known, returnUrl: '/' }, methods))) {
    const message = 'is missing, and the methods of the workflow that can serve the request need it'
    throw new ApiError('no_eligible_method', `\`returnUrl\` ${message}.`, { errors: [{ field: 'returnUrl', message }] })
  }
  const askable: Known = { ...request, withoutMessages: !getsMessages() }
  const usable = [...methods.keys()].filter(method => canServe({ method, options: {} }, askable, methods))
  if (usable.length === 0) {
    throw new ApiError('no_eligible_method', 'No configured method can serve this request.')
  }
  throw new ApiError('no_eligible_method', known.phoneNumber === null
    ? `No method of the workflow works without a phone number. Methods that do: ${usable.join(', ')}.`
    : `No method of the workflow can verify this number. Methods that can: ${usable.join(', ')}.`)
}

/** What is wrong with the workflow that an app has of its own: its methods, options or assurance. Null: nothing. */
export function findWorkflowProblem (
  { workflow = [], weakCodes, minAssurance = 1 }: Pick<App, 'workflow' | 'weakCodes' | 'minAssurance'>,
  methods: Methods,
): FieldError | null {
  try {
    const steps = workflow.map((item, index) => planStep(readItem(item), index, methods, { weakCodes }))
    const isReached = steps.some(({ method, options }) => {
      const known = methods.get(method)
      return known !== undefined && provesEnough(known, options, minAssurance)
    })
    if (steps.length === 0 || isReached) return null
    return { field: 'minAssurance', message: 'is above the assurance of every method of the workflow' }
  } catch (error) {
    const [problem] = error instanceof ApiError ? error.extra.errors ?? [] : []
    if (problem === undefined) throw error
    return problem
  }
}

const readItem = (item: WorkflowItem): Exclude<WorkflowItem, string> =>
  typeof item === 'string' ? { method: item } : item

/** The digits of the code: as the caller chooses, else as the method says; 6 where it takes no code. */
const codeLengthOf = ({ options: { properties } }: Method, options: Step['options']): number =>
  Number(options[lengthOption] ?? Reflect.get(properties[lengthOption] ?? {}, 'default') ?? minCodeLength)

function defaultWorkflow (
  { phoneNumber }: Pick<Known, 'phoneNumber'>, methods: Methods, { weakCodes = false }: CodeRules,
): string[] {
  return [...methods]
    .filter(([, method]) => method.defaultRank !== undefined && method.needsPhoneNumber === (phoneNumber !== null)
      && (weakCodes || codeLengthOf(method, {}) >= minCodeLength))
    .sort(([, a], [, b]) => (a.defaultRank ?? 0) - (b.defaultRank ?? 0))
    .map(([name]) => name)
}

function planStep (
  item: Exclude<WorkflowItem, string>, index: number, methods: Methods, { weakCodes = false }: CodeRules,
): Step {
  const method = methods.get(item.method)
  const field = `workflow/${index}`
  if (method === undefined) {
    const available = [...methods.keys()].join(', ')
    const detail = `Item ${index} of the workflow names a method that is unknown or not configured.`
    throw new ApiError('method_unavailable', `${detail} Available: ${available}.`, {
      errors: [{ field, message: `is not available: use one of ${available}` }],
    })
  }
  const { [rejectionOption]: continues = false, ...options } = (item.options ?? {}) as { [name: string]: Json }
  const problem = typeof continues === 'boolean'
    ? findProblem(method.options, options)
    : { instancePath: `/${rejectionOption}`, message: 'must be boolean' }
  if (problem !== undefined) {
    const name = problem.instancePath.split('/')[1] ?? ''
    const isKnown = name === rejectionOption || Object.hasOwn(method.options.properties, name)
    // An unknown name may be any text, also a phone number, so it is not echoed.
    const path = `${field}/options/${isKnown ? name : '*'}`
    const known = [...Object.keys(method.options.properties), rejectionOption].join(', ')
    const message = isKnown ? problem.message : `is not an option of ${item.method}, which has ${known}`
    throw new ApiError('invalid_request', `\`${path}\` ${message}.`, { errors: [{ field: path, message }] })
  }
  if (codeLengthOf(method, options) < minCodeLength && !weakCodes) {
    const path = `${field}/options/${lengthOption}`
    const message = `must be at least ${minCodeLength}, since the app has no \`weakCodes\``
    throw new ApiError('invalid_request', `\`${path}\` ${message}.`, { errors: [{ field: path, message }] })
  }
  const timeoutMs = item.timeoutSeconds === undefined ? method.timeoutMs : item.timeoutSeconds * 1000
  const isLimited = method.codeAttempts !== undefined && !weakCodes
  return {
    method: item.method,
    timeoutMs: isLimited ? Math.min(timeoutMs, maxCodeLifeMs) : timeoutMs,
    options,
    isRepeatable: method.isRepeatable,
    continueWhenRejected: continues === true,
    ...method.sendsMessage ? { sendsMessage: true } : {},
  }
}

const validators = new WeakMap<TSchema, Validator>()

function findProblem (schema: TSchema, value: unknown): { instancePath: string, message: string } | undefined {
  let validator = validators.get(schema)
  if (validator === undefined) validators.set(schema, validator = Compile(schema))
  const [error] = validator.Check(value) ? [] : validator.Errors(value)
  return error?.keyword === 'enum'
    ? { instancePath: error.instancePath, message: `must be one of ${error.params.allowedValues.join(', ')}` }
    : error
}
