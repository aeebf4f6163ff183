import { randomUUID } from 'node:crypto'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'

/** What reaches a phone. Unknown to the gateway: only the simulators and the page of the sandbox see it. */
export type HandsetItem = {
  provider: string
  kind: 'prompt' | 'message' | 'call'
  /** Who it is from, for a person: `Truecaller`, `SMS`. */
  title: string
  /** What the phone shows, with the code or the link in it. */
  text: string
  code?: string
  url?: string
  /** What the person can do besides nothing. */
  choices: readonly { id: string, label: string }[]
}

/** An item as `GET /handset/items` shows it. `chosen`: the choice of the person, null until then. */
export type ShownItem = HandsetItem & { id: string, phoneNumber: string, at: string, chosen: string | null }

export type Handset = {
  /**
   * Shows an item on the phone with this number (E.164, the `+` is optional). `onChoice` is called at most once, with
   * the id of the choice; what it throws is answered with 500.
   */
  show: (phoneNumber: string, item: HandsetItem, onChoice?: (choice: string) => void | Promise<void>) => void
  /** The person decides by hand: the simulator starts no timer of its own for this number. */
  isManual: (phoneNumber: string) => boolean
}

const maxItems = 1000
const maxNumbers = 1000
const lifetimeMs = 60 * 60_000

type Entry = { digits: string, shown: ShownItem, expiresAt: number, onChoice: (choice: string) => void | Promise<void> }

const PhoneNumber = Type.String({ pattern: '^\\s*\\+?[1-9][0-9]{6,14}$' })
const ItemsQuery = Type.Object({ phoneNumber: PhoneNumber })
const ItemParams = Type.Object({ id: Type.String() })
const ChoiceBody = Type.Object({ choice: Type.String() }, { additionalProperties: false })
const ModeBody = Type.Object({ phoneNumber: PhoneNumber, manual: Type.Boolean() }, { additionalProperties: false })

/** A `+` that is not escaped in a query arrives as a space. */
const digitsOf = (phoneNumber: string): string => phoneNumber.replace(/\D/g, '')

/** The simulated phones. The latest 1000 items and modes are kept, for an hour. */
export function createHandset (now: () => number): { handset: Handset, routes: FastifyPluginAsyncTypebox } {
  let entries: Entry[] = []
  const manualUntil = new Map<string, number>()

  const isLive = ({ expiresAt }: Entry): boolean => expiresAt > now()

  const handset: Handset = {
    show (phoneNumber, item, onChoice = () => {}) {
      const digits = digitsOf(phoneNumber)
      const at = now()
      entries.push({
        digits, expiresAt: at + lifetimeMs, onChoice, shown: {
          id: randomUUID(), phoneNumber: `+${digits}`, at: new Date(at).toISOString(), ...item, chosen: null,
        },
      })
      if (entries.length > maxItems) entries.shift()
    },

    isManual: phoneNumber => (manualUntil.get(digitsOf(phoneNumber)) ?? 0) > now(),
  }

  function setMode (phoneNumber: string, manual: boolean): void {
    const digits = digitsOf(phoneNumber)
    // Deleted first, so that the oldest mode is always the first one.
    manualUntil.delete(digits)
    if (manual) manualUntil.set(digits, now() + lifetimeMs)
    const [oldest] = manualUntil.keys()
    if (manualUntil.size > maxNumbers && oldest !== undefined) manualUntil.delete(oldest)
  }

  const routes: FastifyPluginAsyncTypebox = async app => {
    app.get('/handset/items', { schema: { querystring: ItemsQuery } }, async ({ query: { phoneNumber } }) => {
      entries = entries.filter(isLive)
      const digits = digitsOf(phoneNumber)
      return { data: entries.filter(entry => entry.digits === digits).map(({ shown }) => shown) }
    })

    app.post('/handset/items/:id', {
      schema: { params: ItemParams, body: ChoiceBody },
    }, async ({ params: { id }, body: { choice } }, reply) => {
      const entry = entries.find(({ shown }) => shown.id === id)
      if (entry === undefined || !isLive(entry)) return reply.code(404).send({ message: 'No such item' })
      const { shown, onChoice } = entry
      const choices = shown.choices.map(one => one.id)
      if (!choices.includes(choice)) {
        return reply.code(400).send({ message: `choice must be one of: ${choices.join(', ')}` })
      }
      if (shown.chosen !== null) return reply.code(409).send({ message: `Already chosen: ${shown.chosen}` })
      shown.chosen = choice
      await onChoice(choice)
      return shown
    })

    app.put('/handset/mode', { schema: { body: ModeBody } }, async ({ body: { phoneNumber, manual } }, reply) => {
      setMode(phoneNumber, manual)
      return reply.code(204).send()
    })
  }

  return { handset, routes }
}
