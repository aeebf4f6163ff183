import { provider } from './answers.ts'
import type { HandsetItem } from '../handset.ts'
import { pushProfile, webProfile } from './profile.ts'
import type { Grants } from './profiles.ts'
import type { Scenario } from '../scenarios.ts'
import type { SimulatorContext } from '../simulator.ts'

/** Truecaller retries a callback without a 2xx, but does not document the schedule. */
const retryDelaysMs = [2000, 10_000, 30_000]

const prompt = { provider, kind: 'prompt', title: 'Truecaller' } as const
const approve = { id: 'approve', label: 'Continue' }

/** This API has no event for a user who does not agree: Truecaller then stays silent. */
const pushPrompt: HandsetItem = {
  ...prompt, text: 'Sandbox wants to verify your number with your Truecaller profile.',
  choices: [approve, { id: 'reject', label: 'Not me' }],
}

const dialog: HandsetItem = {
  ...prompt, text: 'Continue with your Truecaller profile?',
  choices: [
    approve, { id: 'reject', label: 'Skip' }, { id: 'another_number', label: 'Use another number' },
    { id: 'close', label: 'Close the dialog' },
  ],
}

/** What the app says for a choice. The last two are not documented: integrations have seen them. */
const words: Readonly<Record<string, string>> = {
  reject: 'user_rejected', another_number: 'use_another_number', close: 'flow_cancelled',
}
const choices: Partial<Record<Scenario, string>> = {
  rejected: 'reject', otherNumber: 'another_number', dismissed: 'close',
}

type Handover = { accessToken: string, endpoint?: string, state?: string | undefined }

/** The callback that hands over a token. An unusual one has the members that it does not need, too. */
function handOver (requestId: string, scenario: Scenario, handover: Handover): object {
  if (scenario !== 'unusual') return { requestId, ...handover }
  const { accessToken, state, endpoint } = handover
  return { requestId, accessToken, state: state ?? null, status: null, endpoint: endpoint === undefined ? null : '' }
}

export type Phone = ReturnType<typeof createPhone>

/** The phone with the app, on which prompts appear; the decisions of its user become callbacks. */
export function createPhone (context: SimulatorContext, grants: Grants) {
  const { timers, handset, handsetDelayMs, slowMs, retryScale } = context

  function post (body: object, scenario: Scenario): Promise<void> {
    return context.callbacks.send({
      provider,
      url: context.callbackUrl(provider, context.settings['TRUECALLER_CALLBACK_KEY']?.split(',')[0] || undefined),
      body,
      retryDelaysMs: retryDelaysMs.map(delayMs => delayMs * retryScale),
      copies: scenario === 'repeated' ? 3 : 1,
    })
  }

  /** Shows a prompt, about which one decision is made: by the person, or else by the scenario of the number. */
  async function ask (
    phoneNumber: string, item: HandsetItem, scenario: Scenario, decide: (choice: string) => Promise<void>,
  ): Promise<void> {
    let isDecided = false
    const decideOnce = async (choice: string): Promise<void> => {
      if (isDecided) return
      isDecided = true
      await decide(choice)
    }
    const isManual = handset.isManual(phoneNumber)
    if (scenario === 'silent' && !isManual) return
    handset.show(phoneNumber, item, decideOnce)
    if (isManual) return
    await timers.sleep(scenario === 'slow' ? slowMs : handsetDelayMs)
    await decideOnce(choices[scenario] ?? approve.id)
  }

  return {
    async answerPush (
      requestId: string, phoneNumber: number, state: string | undefined, scenario: Scenario,
    ): Promise<void> {
      await ask(String(phoneNumber), pushPrompt, scenario, async choice => {
        if (choice !== approve.id) return
        const accessToken = grants.issue(phoneNumber, pushProfile)
        await post(handOver(requestId, scenario, { accessToken, state }), scenario)
      })
    },

    /** `status` replaces what the app says about the user's decision. */
    async answerDialog (
      requestId: string, phoneNumber: string, scenario: Scenario, endpoint: string, status: string | undefined,
    ): Promise<void> {
      const isManual = handset.isManual(phoneNumber)
      if (scenario === 'silent' && !isManual) return
      const opened = { requestId, status: 'flow_invoked', ...scenario === 'unusual' ? { accessToken: null } : {} }
      if (!isManual) await timers.sleep(handsetDelayMs)
      if (scenario !== 'reordered') await post(opened, scenario)
      await ask(phoneNumber, dialog, scenario, async choice => {
        const word = status ?? words[choice]
        await post(word === undefined
          ? handOver(requestId, scenario, { accessToken: grants.issue(phoneNumber, webProfile), endpoint })
          : { requestId, status: word }, scenario)
        if (scenario === 'reordered') await post(opened, scenario)
      })
    },
  }
}
