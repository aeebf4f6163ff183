import {
  apiKey, call, member, recordRequests, type Provider, type Settings, type Verification,
} from './api.ts'
import { createCodePanel } from './code.ts'
import { button, byId, show } from './dom.ts'
import { createForm } from './form.ts'
import { createFrontEnd } from './front-end.ts'
import { createHandset } from './handset.ts'
import { nameOf } from './numbers.ts'
import { methodOf, type Plan } from './presets.ts'
import { createSession } from './session.ts'
import { drawStates } from './state-drawing.ts'
import { changesBetween, drawEntry } from './timeline.ts'
import { drawVerification } from './verification.ts'
import { createWebhooks } from './webhooks.ts'

/** How often the phone and the webhooks are read, and for how long after the end of a verification. */
const readEveryMs = 500
const readAfterEndMs = 10_000

recordRequests(createCodePanel())
const draw = (): void => drawStates(byId('drawing'), seen, isNarrow.matches)

const announce = (text: string): void => { byId('announcer').textContent = text }
const note = (text: string | null): void => { byId('note').textContent = text }
const settings = (await call('GET', '/sandbox/settings.json')).body as Settings
const providers = member(
  (await call('GET', '/providers', { credential: apiKey })).body, 'data',
) as Provider[] | undefined ?? []
const automatic = byId('automatic') as HTMLInputElement

const frontEnd = await createFrontEnd({ onOpen: () => void handset.press() })
const handset = createHandset({ settings, frontEnd, announce, note })
const webhooks = createWebhooks(settings)

const isNarrow = matchMedia('(max-width: 46rem)')
let seen: Verification | null = null
let readUntil = 0

const session = createSession({
  onStart (current) {
    seen = null
    readUntil = Infinity
    note(null)
    draw()
    byId('timeline').replaceChildren()
    byId('verification').replaceChildren()
    webhooks.clear()
    handset.start(current)
    bringIntoView(byId('handset'))
  },
  onState (verification) {
    for (const entry of changesBetween(seen, verification)) byId('timeline').append(drawEntry(entry))
    seen = verification
    draw()
    drawVerification(byId('verification'), verification)
    drawActions(verification)
    handset.onState(verification)
    if (verification.status !== 'pending') readUntil = Date.now() + readAfterEndMs
    announce(
      `The verification is ${verification.status}${verification.reason === null ? '' : `: ${verification.reason}`}.`,
    )
    if (automatic.checked) void handset.answer()
    const [unasked] = verification.attempts.filter(({ status, reason }) =>
      status === 'skipped' && reason === 'provider_unavailable')
    if (unasked !== undefined) {
      note(`${nameOf(unasked.provider)} was not called, because it failed too often before. It is tried again later.`)
    }
  },
  onReplaced ({ id, updatedAt: at }) {
    byId('timeline').prepend(drawEntry({ at, text: `${id} is canceled: superseded`, kind: 'canceled' }))
  },
})

/** On a narrow window the phone is below everything that can be started. */
function bringIntoView (section: HTMLElement): void {
  const { top } = section.getBoundingClientRect()
  const isStill = matchMedia('(prefers-reduced-motion: reduce)').matches
  if (top > innerHeight / 2) section.scrollIntoView({ behavior: isStill ? 'instant' : 'smooth' })
}

function drawActions ({ status }: Verification): void {
  show(byId('verification-actions'),
    status === 'pending' && button('Cancel', () => void session.cancel().then(note), { class: 'small' }))
}

/** Whether a method of the workflow leads the browser away, and back to this page. */
const comesBack = (workflow: Plan['workflow']): boolean => providers.flatMap(({ methods }) => methods)
  .some(({ method, needsReturnUrl }) => needsReturnUrl && workflow.some(item => methodOf(item) === method))

createForm(providers, async (plan, withoutNumber) => {
  await handset.setMode(plan.phoneNumber, !automatic.checked)
  const { phoneNumber, workflow, expiresInSeconds } = plan
  return session.create({
    ...withoutNumber ? {} : { phoneNumber }, workflow, onConflict: 'replace',
    ...expiresInSeconds === undefined ? {} : { expiresInSeconds },
    ...comesBack(workflow) ? { returnUrl: `${location.origin}/` } : {},
  }, phoneNumber)
})

async function read (): Promise<void> {
  const current = session.current()
  if (current !== null && Date.now() < readUntil) {
    await Promise.all([handset.readItems(), webhooks.read(current.id)])
  }
  setTimeout(() => void read(), readEveryMs)
}
isNarrow.addEventListener('change', draw)
draw()
await session.resume()
void read()
