import { Type } from 'typebox'
import {
  CheckBody, CreateBody, CreateHeaders, EmptyBody, GetQuery, ListQuery, NextBody, VerificationParams,
} from '../schemas/requests.ts'
import { VerificationList } from '../schemas/responses.ts'
import { CreatedView, VerificationView } from '../schemas/verification.ts'
import { createRequests, evidence, nextRequests } from './examples.ts'
import {
  absentBodyAllowed, apiErrorResponses, byAppKey, byAppKeyOrClientSecret, jsonResponse, withExamples,
} from './operations.ts'
import { created, states, verifications } from './verification-examples.ts'

const tags = ['Verifications']
const paragraphs = (...texts: string[]): string => texts.join('\n\n')
/** The errors of every call that changes one verification. */
const errorsOfChanges = [
  'not_found', 'invalid_state', 'gone', 'payload_too_large', 'unsupported_media_type', 'rate_limited',
] as const

export const createOperation = {
  tags, security: byAppKey('verifications:write'), operationId: 'createVerification',
  summary: 'Create a verification and start its first attempt',
  description: paragraphs(
    'The first method of the workflow that can serve the request starts before the response is sent, so a message may '
    + 'already be on its way to the user.',
    'If every method fails immediately, the response is still 201 with a `failed` verification: an outcome is not an '
    + 'error.',
    'Repeating: the same `idempotency-key` with the same body returns the same verification in its current state, and '
    + 'starts nothing. Without a key, a second request for the number is 409 `verification_in_progress` while the '
    + 'first verification is live.',
  ),
  headers: CreateHeaders, body: withExamples(CreateBody, createRequests),
  response: {
    201: jsonResponse(
      'Created, or found by its Idempotency-Key.', CreatedView,
      created(
        'submitCode', 'openUrlOnCellular', 'approveOnDevice', 'openDeepLink', 'submitToken', 'providerUnavailable',
      ),
      { location: { type: 'string', description: 'Path of the verification.' } },
    ),
    ...apiErrorResponses(
      'verification_in_progress', 'idempotency_in_progress', 'payload_too_large', 'unsupported_media_type',
      'invalid_phone_number', 'method_unavailable', 'no_eligible_method', 'idempotency_key_reused',
      'country_not_allowed', 'number_type_not_allowed', 'rate_limited',
    ),
  },
}

export const listOperation = {
  tags, security: byAppKey('verifications:read', 'operations:read'), operationId: 'listVerifications',
  summary: 'Find the app\'s verifications by reference or phone number',
  description: paragraphs(
    'For support and reconciliation: newest first, within their retention. Send either `reference` or `phoneNumber`. '
    + 'Changes nothing.',
    'A key with the scope `operations:read` and without `verifications:read` is for the operator: it searches over '
    + 'all apps, each item has its `appId`, profiles are left out, and the audit log has a line.',
  ),
  querystring: ListQuery,
  response: {
    200: jsonResponse('The verifications, at most `limit`.', VerificationList, {
      found: {
        summary: 'Two verifications of one user',
        value: { data: [verifications.verified.value, verifications.expired.value], nextCursor: null },
      },
      none: { summary: 'None', value: { data: [], nextCursor: null } },
    }),
    ...apiErrorResponses('invalid_phone_number', 'rate_limited'),
  },
}

export const getOperation = {
  tags, security: byAppKeyOrClientSecret('verifications:read'), operationId: 'getVerification',
  summary: 'Read a verification, or wait for its next change',
  description: paragraphs(
    'Changes nothing. With `wait` it is a long poll: the response is sent when the revision is above `revision`, when '
    + 'the verification is final, or when the time is over. Then repeat the call with the revision of the response.',
    'A final verification stays readable for a day, unless the operator configures another retention. After that, or '
    + 'after erasure, an id that this gateway issued is 410 and any other id 404.',
  ),
  params: VerificationParams, querystring: GetQuery,
  response: {
    200: jsonResponse('The current state.', VerificationView, verifications),
    ...apiErrorResponses('not_found', 'gone', 'rate_limited'),
  },
}

export const checkOperation = {
  ...absentBodyAllowed,
  tags, security: byAppKeyOrClientSecret('verifications:write'), operationId: 'checkVerification',
  summary: 'Submit evidence: a code, a token, or "the device is done"',
  description: paragraphs(
    '`nextAction` determines which kind of evidence the attempt accepts; `{}` queries the provider. Evidence that '
    + 'proves the number ends the verification. Evidence that proves nothing ends the attempt, and the next method may '
    + 'start. A wrong code is 422 `code_incorrect` with `attemptsRemaining`.',
    'Of a code that the user types, spaces, dashes, direction marks and line ends are ignored, and the decimal digits '
    + 'of every script are accepted. Input without a digit is 400 and does not use up an attempt. White space around '
    + 'tokens and other codes is removed.',
    'Repeating: while the same evidence is being checked, the response is 202 and nothing is sent twice. When the '
    + 'verification has ended, `{}` and the evidence that settled it return it with 200; other evidence is 409 '
    + '`invalid_state` with the status.',
  ),
  params: VerificationParams, body: withExamples(CheckBody, evidence),
  response: {
    200: jsonResponse(
      'Checked. Read `status`: it may be verified, failed, or pending with another method.', VerificationView,
      states('verifiedByFallback', 'verifiedWithProfile', 'numberMismatch', 'fallback'),
    ),
    202: jsonResponse(
      'The check is still in progress. Read the result with `wait`.', VerificationView,
      states('wait', 'openUrlOnCellular'),
    ),
    ...apiErrorResponses(...errorsOfChanges, 'code_incorrect'),
  },
}

export const nextOperation = {
  ...absentBodyAllowed,
  tags, security: byAppKeyOrClientSecret('verifications:write'), operationId: 'startNextAttempt',
  summary: 'End the current attempt and start the next one',
  description: paragraphs(
    'For a method that does not work here, or a user who prefers another one. The attempt ends with the reason, and '
    + 'the next method of the workflow starts. If no method is left, the verification is `failed` with that reason.',
    'While a code or token is being checked, the call waits for the result, at most ten seconds: a correct one '
    + 'verifies the number, and a wrong one is counted. A method that just sent a message cannot be left for another '
    + 'one that sends a message: 429 with `retry-after` until a resend would be possible.',
    'Repeating: each call ends the attempt that is pending when it arrives. With `revision`, a repeated call is 409 '
    + '`invalid_state` and ends nothing.',
  ),
  params: VerificationParams, body: withExamples(NextBody, nextRequests),
  response: {
    200: jsonResponse(
      'The next method started, or no method is left.', VerificationView, states('fallback', 'nothingLeft'),
    ),
    ...apiErrorResponses(...errorsOfChanges),
  },
}

export const resendOperation = {
  ...absentBodyAllowed,
  tags, security: byAppKeyOrClientSecret('verifications:write'), operationId: 'resendMessage',
  summary: 'Send the message of the current attempt again',
  description: paragraphs(
    'For a message that did not arrive: the provider sends it again, and the earlier one may still be valid. '
    + '`availableActions` says whether, and from when, this is possible. Too early is 429 with `retry-after`; not '
    + 'supported is 409 `invalid_state`.',
    'Repeating: each call that returns 200 sent a message. A call that follows too soon sends none.',
  ),
  params: VerificationParams, body: EmptyBody,
  response: {
    200: jsonResponse('Sent again.', VerificationView, states('resent')),
    ...apiErrorResponses(...errorsOfChanges, 'provider_unavailable'),
  },
}

export const cancelOperation = {
  ...absentBodyAllowed,
  tags, security: byAppKey('verifications:write'), operationId: 'cancelVerification', summary: 'Cancel a verification',
  description: paragraphs(
    'For a user who left, or a number that is no longer needed. Later messages of the provider change nothing, and the '
    + 'number is free for another verification.',
    'Repeating: a verification that has already ended is 409 `invalid_state` with `verificationStatus`.',
  ),
  params: VerificationParams, body: EmptyBody,
  response: {
    200: jsonResponse('Canceled.', VerificationView, states('canceled')),
    ...apiErrorResponses(...errorsOfChanges),
  },
}

export const eraseOperation = {
  tags, security: byAppKey('verifications:write'), operationId: 'eraseVerification',
  summary: 'Erase a verification immediately',
  description: paragraphs(
    'Deletes the user\'s data before the retention is over, in any state: the record and its webhooks, also those that '
    + 'are not yet delivered.',
    'Repeating: afterwards every call with the id, including this one, is 410.',
  ),
  params: VerificationParams,
  response: {
    204: Type.Null({ description: 'Erased.' }),
    ...apiErrorResponses('not_found', 'gone', 'rate_limited'),
  },
}
