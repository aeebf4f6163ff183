import type { Method } from '../../adapters/adapter.ts'
import type { MethodContext, Methods } from '../../adapters/guard.ts'
import type { App, WorkflowItem } from '../../apps/apps.ts'
import { assuranceOf } from '../../core/assurance.ts'
import { oneOfEach, takesTypedCode } from '../../core/routing.ts'
import type { Verification } from '../../core/verification.ts'

/** Which methods serve a `Channel` of Twilio: https://www.twilio.com/docs/verify/api/verification */

/** The values of `Channel` that can be mapped; `email` cannot. `auto`: a silent check, then a code by SMS. */
export const channels = ['sms', 'call', 'whatsapp', 'sna', 'auto'] as const
export type Channel = typeof channels[number]
/** The values of `channel` in answers. */
export type ShownChannel = Exclude<Channel, 'auto'>

/** The words of each channel after the dot of a method, and in its option `channels`, in lower case. */
const words = { sms: ['sms'], call: ['call', 'voice', 'voice_call'], whatsapp: ['whatsapp'] } as const
type MessageChannel = keyof typeof words
const isNamed = (channel: MessageChannel, word: unknown): boolean =>
  typeof word === 'string' && words[channel].some(known => known === word.toLowerCase())

type Item = Exclude<WorkflowItem, string>

/**
 * The items of the app's workflow that serve the channel, or, where it has no workflow, every configured method that
 * does. `wantsClientToken`: the phone brings a token back (`EnableSnaClientToken`). Empty: nothing serves the channel.
 * Without a workflow `chooseItems` chooses among them.
 */
export function workflowFor (
  channel: Channel, app: Pick<App, 'workflow'>, methods: Methods, wantsClientToken: boolean,
): Item[] {
  const items = (app.workflow ?? byRank(methods)).map(item => typeof item === 'string' ? { method: item } : item)
  const silent = (): Item[] => silentItems(items, methods, wantsClientToken)
  if (channel === 'sna') return silent()
  const typed = items.flatMap(item => typedItem(item, channel === 'auto' ? 'sms' : channel, methods))
  return channel === 'auto' ? [...silent(), ...typed] : typed
}

/**
 * Of the items that serve a channel, the silent check and the message that are used. Twilio's callers expect one
 * message for each request.
 */
export const chooseItems = (items: readonly Item[], { methods, isOpen }: MethodContext): Item[] =>
  oneOfEach(items, ({ method }) => isSilent(methods.get(method)), { isOpen })

const byRank = (methods: Methods): string[] => [...methods]
  .sort(([, a], [, b]) => (a.defaultRank ?? Infinity) - (b.defaultRank ?? Infinity) || 0)
  .map(([name]) => name)

function typedItem (item: Item, channel: MessageChannel, methods: Methods): Item[] {
  const method = methods.get(item.method)
  if (method === undefined || !takesTypedCode(method)) return []
  if (isNamed(channel, suffixOf(item.method))) return [item]
  const option = channelOptions(method).find(word => isNamed(channel, word))
  return option === undefined ? [] : [{ ...item, options: { ...item.options, channels: [option] } }]
}

const suffixOf = (method: string): string => method.slice(method.indexOf('.') + 1)

/** What the option `channels` of a method may contain. */
function channelOptions ({ options }: Method): unknown[] {
  const schema: unknown = options.properties['channels']
  const items: unknown = typeof schema === 'object' && schema !== null ? Reflect.get(schema, 'items') : null
  const known: unknown = typeof items === 'object' && items !== null ? Reflect.get(items, 'enum') : null
  return Array.isArray(known) ? known : []
}

/**
 * Without a client token, methods that need no code are preferred. Otherwise only those whose code comes back through
 * the front end.
 */
function silentItems (items: readonly Item[], methods: Methods, wantsClientToken: boolean): Item[] {
  const silent = items.filter(({ method: name }) => isSilent(methods.get(name)))
  const withToken = (item: Item): boolean => bindingOf(item, methods) === 'session'
  if (wantsClientToken) return silent.filter(withToken)
  const plain = silent.filter(item => !withToken(item))
  return plain.length > 0 ? plain : silent
}

const isSilent = (method: Method | undefined): boolean => method !== undefined && method.needsPhoneNumber
  && method.needsReturnUrl !== true && method.nextActions.includes('openUrlOnCellular')

function bindingOf ({ method: name, options = {} }: Item, methods: Methods) {
  const method = methods.get(name)
  // The options are those of the app's workflow, which was validated when it was loaded.
  const known = options as Verification['workflow'][0]['options']
  return method === undefined ? 'none' : assuranceOf(method.assurance, known).binding
}

type Steps = Pick<Verification, 'workflow' | 'attempts'>

/** The step of the pending attempt, or of the last one that was started. */
export const currentStep = ({ workflow, attempts }: Steps): Verification['workflow'][0] | undefined =>
  workflow[Math.max(0, attempts.findLastIndex(({ status }) => status !== 'skipped'))]

/** Whether the phone only opens a URL: then the gateway learns the result without a check. */
export const completesItself = (verification: Steps, methods: Methods): boolean => {
  const step = currentStep(verification)
  return step !== undefined && isSilent(methods.get(step.method)) && bindingOf(step, methods) === 'none'
}

/** The channel of this step. */
export const channelOf = (verification: Steps, methods: Methods): ShownChannel =>
  channelOfStep(currentStep(verification), methods)

/** The channel of a step; `sms` for a method with a code of which nothing else is known. */
export function channelOfStep (step: Verification['workflow'][0] | undefined, methods: Methods): ShownChannel {
  if (step === undefined) return 'sms'
  if (methods.get(step.method)?.nextActions.includes('openUrlOnCellular') === true) return 'sna'
  const option = step.options['channels']
  const said = Array.isArray(option) ? option[0] : suffixOf(step.method)
  return (['sms', 'call', 'whatsapp'] as const).find(channel => isNamed(channel, said)) ?? 'sms'
}
