import { Type } from 'typebox'
import { digitsOf } from '../../phone.ts'
import { refusal } from '../refusal.ts'
import { provider, type Flow, type FlowParts } from './flow.ts'
import { bindingNone, createResolveGrant, type ProfileHosts } from './grant.ts'
import { readGrant, readPushAnswer } from './wire.ts'

// https://github.com/truecaller/web-login (web sign-up API of 2017)

export type PushOptions = ProfileHosts & { appKey: string, apiUrl: string }

export function createPush ({ appKey, apiUrl, ...hosts }: PushOptions, parts: FlowParts): Flow {
  return {
    method: {
      needsPhoneNumber: true,
      evidence: [],
      nextActions: ['approveOnDevice'],
      userStep: 'approves a notification of the Truecaller app',
      assurance: bindingNone,
      timeoutMs: 120_000,
      options: Type.Object({}, { additionalProperties: false }),
      isRepeatable: false,
      sendsMessage: true,
      defaultRank: 2,
      // The documentation demands five minutes between two requests for a user.
      oncePerNumberMs: 300_000,
      maxPerNumberPerDay: 5,
      // The callback has our `state` if Truecaller returns it, and the id of the request in any case.
      isFoundByProviderId: true,
    },

    async start ({ phoneNumber, callbackKey }) {
      if (phoneNumber === null) throw new Error('truecaller.push needs a phone number')
      const call = 'push request'
      const answer = await parts.http({
        method: 'POST',
        url: `${apiUrl}/v1/apps/requests`,
        call,
        headers: { appKey, 'content-type': 'application/json', 'cache-control': 'no-cache' },
        body: JSON.stringify({ phoneNumber: Number(digitsOf(phoneNumber)), state: callbackKey }),
      })
      const accepted = readPushAnswer(answer.status, answer.body)
      if (typeof accepted === 'string') throw refusal(provider, call, accepted, answer)
      return {
        state: null, action: { type: 'approveOnDevice', app: 'truecaller' }, id: accepted.requestId, isIdOptional: true,
      }
    },

    singleUse: evidence => readGrant(evidence)?.accessToken ?? null,
    resolve: createResolveGrant(hosts, parts),
  }
}
