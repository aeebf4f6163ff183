import type { Json } from '../../src/core/vocabulary.ts'

/**
 * What the version before kept in Redis, as it wrote it: opened, with invented numbers, under `sealKeys` and on a clock
 * at `at`.
 * Literal on purpose: nothing here may follow the code of today.
 */
export const sealKeys = 'k1:b2YgdGhlIHZlcnNpb24gYmVmb3Jlb2YgdGhlIHZlcnM='
/** Ahead of any clock, so that Redis does not take for old what was written at it. */
export const at = 2_000_000_000_000

/** `claims` and `lists`: name, partition and what is in it, beside the record's own partition where none is said. */
export type RecordBefore = {
  record: { [name: string]: Json } & { id: string }
  dueAt: number | null
  expiresAt: number
  claims?: { name: string, value: string, expiresAt: number, partition?: number }[]
  lists?: { name: string, score: number }[]
}

const otp = { method: 'otpless.otp', timeoutMs: 300_000, options: {}, isRepeatable: false, continueWhenRejected: false }
const check = {
  method: 'truid.phone_check', timeoutMs: 60_000, options: {}, isRepeatable: true, continueWhenRejected: false,
}
const web = {
  method: 'truecaller.web', timeoutMs: 120_000, options: {}, isRepeatable: true, continueWhenRejected: false,
}
const push = {
  method: 'truecaller.push', timeoutMs: 120_000, options: {}, isRepeatable: false, continueWhenRejected: false,
}
const nothingToTell = { wanted: ['verified', 'failed', 'expired', 'canceled', 'profile_ready'], owed: [], dueAt: 0 }
const day = 86_400_000

const common = {
  appId: 'shop', reference: null, metadata: {}, locale: null, device: {}, returnUrl: null, includeProfile: true, key: null, news: nothingToTell,
  format: 1, createdAt: at, updatedAt: at, expiresAt: at + 600_000,
}
const pending = { dueAt: at, expiresAt: at + 600_000 + day }
const submitCode = { type: 'submitCode', length: 6, channels: ['SMS'] }

/** `requestId` tells the message that was sent for a number; `simulators` is where the providers are. */
export const recordsBefore = (requestId: (phoneNumber: string) => string, simulators: string) => ({
  /** Waits for its code; created with an Idempotency-Key. */
  waiting: {
    record: {
      ...common, id: 'ver_FpHpB7H4gyaL0PSif6optg4ILPCk0g', phoneNumber: '+14155550102', reference: 'order-1', metadata: { plan: 'pro' },
      device: { ip: '192.0.2.7', platform: 'android' }, workflow: [otp, check], status: 'pending', revision: 2,
      key: {
        name: 'wvqi-6pvh69CAy5MVtxHrg',
        value: 'ver_FpHpB7H4gyaL0PSif6optg4ILPCk0g gd-PacYXhfdgIzYpmJ5aBg 2000000000000', partition: 2,
      },
      attempts: [{
        status: 'pending', phase: 'waiting', method: 'otpless.otp', startedAt: at, endsAt: at + 300_000, state: {
          requestId: requestId('+14155550102'),
        },
        action: submitCode, attemptsRemaining: 5, resend: { left: 2, availableAt: at + 30_000, afterMs: 30_000 },
      }],
    },
    dueAt: at + 300_000, expiresAt: at + 600_000 + day,
    claims: [
      {
        name: 'wvqi-6pvh69CAy5MVtxHrg',
        value: 'ver_FpHpB7H4gyaL0PSif6optg4ILPCk0g gd-PacYXhfdgIzYpmJ5aBg 2000000000000', expiresAt: at + day,
        partition: 2,
      },
      { name: 'ZNIL4oYNbty1uDth_l6MRA', value: 'ver_FpHpB7H4gyaL0PSif6optg4ILPCk0g', expiresAt: at + 600_000 },
    ],
    lists: [{ name: 'J-4pdKfuHu7eTU7MMbER4w', score: at }, { name: 'ktGX9OL_FACVGXK_9lGlMw', score: at }],
  },
  /** Nobody has begun its start. */
  owed: {
    record: {
      ...common, id: 'ver_wu73WhvprcFHSD2TJW3HNAGwfL1BWg', phoneNumber: '+14155550120', workflow: [otp], status: 'pending', revision: 1,
      attempts: [{
        status: 'pending', phase: 'starting', method: 'otpless.otp', startedAt: at - 9_000, endsAt: at + 300_000, isClaimed: false, leaseUntil: at - 1_000, evidence: null,
      }],
    },
    ...pending, claims: [
      { name: 'In7cq9J3vmhs6jP-pReiYg', value: 'ver_wu73WhvprcFHSD2TJW3HNAGwfL1BWg', expiresAt: at + 600_000 },
    ],
    lists: [{ name: '06Jkx0KqHjqIEnR-MV98lw', score: at }],
  },
  /** Who began its start has died. */
  begun: {
    record: {
      ...common, id: 'ver_f_mR_wmKP_UInKHkp3zEZwAd6riLHg', phoneNumber: '+14155550122', workflow: [otp, check], status: 'pending', revision: 1,
      attempts: [{
        status: 'pending', phase: 'starting', method: 'otpless.otp', startedAt: at - 9_000, endsAt: at + 300_000, isClaimed: true, leaseUntil: at - 1_000, evidence: null,
      }],
    },
    ...pending,
  },
  /** A callback overtook its start, with a token that Truecaller does not know. */
  overtaken: {
    record: {
      ...common, id: 'ver_BiOMmXOiqygoVLEenqnrEQ0HP_oxIg', phoneNumber: '+14155550124', workflow: [push], status: 'pending', revision: 1,
      attempts: [{
        status: 'pending', phase: 'starting', method: 'truecaller.push', startedAt: at - 9_000, endsAt: at + 120_000, isClaimed: true, leaseUntil: at - 1_000,
        evidence: { from: 'provider', value: { accessToken: 'an-invented-token-of-nobody' } },
      }],
    },
    ...pending, claims: [
      { name: '2g1hPQ1lKnBo7CzXfZwkIg', value: 'ver_BiOMmXOiqygoVLEenqnrEQ0HP_oxIg 0', expiresAt: at + 300_000 },
    ],
  },
  /** Its code was being checked when its process died. */
  resolving: {
    record: {
      ...common, id: 'ver_aZvBLG7xSs2fabbgIUJXDAvX0lpTeQ', phoneNumber: '+14155550126', workflow: [otp], status: 'pending', revision: 3,
      attempts: [{
        status: 'pending', phase: 'resolving', method: 'otpless.otp', startedAt: at - 20_000, endsAt: at + 300_000, state: { requestId: requestId('+14155550126') },
        action: submitCode, attemptsRemaining: 4, resend: null, evidence: {
          from: 'app', value: { code: '550126' },
        }, leaseUntil: at - 1_000, isAsked: true,
      }],
    },
    ...pending,
  },
  /** The device says it is done; the provider does not know the check. */
  nudged: {
    record: {
      ...common, id: 'ver_gAPRwzz944I4qSAbIkC5ogGk1p7-WQ', phoneNumber: '+14155550128', workflow: [check], status: 'pending', revision: 2,
      attempts: [{
        status: 'pending', phase: 'resolving', method: 'truid.phone_check', startedAt: at - 20_000, endsAt: at + 60_000,
        state: {
          checkId: '28524ef9-41fc-4f16-b121-0ac7023d543b', self: `${simulators}/phone_check/v0.1/checks/28524ef9-41fc-4f16-b121-0ac7023d543b`, version: 'v0.1',
        },
        action: {
          type: 'openUrlOnCellular',
          url: `${simulators}/phone_check/v0.1/checks/28524ef9-41fc-4f16-b121-0ac7023d543b/redirect`, finish: 'none',
        },
        attemptsRemaining: null, resend: null, evidence: {
          from: 'poll', value: {},
        }, leaseUntil: at - 1_000, isAsked: false,
      }],
    },
    ...pending,
  },
  /** Waits for Truecaller's callback; no number is known yet. */
  discovering: {
    record: {
      ...common, id: 'ver_3WIStRMn4gm81Tul4Adfng4lshidhw', phoneNumber: null, workflow: [web], status: 'pending', revision: 2,
      attempts: [{
        status: 'pending', phase: 'waiting', method: 'truecaller.web', startedAt: at, endsAt: at + 120_000, state: null,
        action: {
          type: 'openDeepLink', platforms: ['android'], notOpenedAfterMs: 600,
          url: 'truecallersdk://truesdk/web_verify?type=btmsheet&requestNonce=3WIStRMn4gm81Tul4Adfng4lshidhwCKyLQpEDKblV0Hc3-k&partnerKey=sandbox-app-key&partnerName=Sandbox&lang=en&loginPrefix=continue&loginSuffix=verifymobile&ctaPrefix=continuewith',
        },
        attemptsRemaining: null, resend: null,
      }],
    },
    dueAt: at + 120_000, expiresAt: at + 600_000 + day,
  },
  /** Its deadline comes first. */
  overdue: {
    record: {
      ...common, id: 'ver_AYLBiXfZ9fKz5aXclc5UEgwldgbOAA', phoneNumber: '+14155550130', workflow: [
        push, otp, otp,
      ], status: 'pending', revision: 5,
      expiresAt: at - 1_000,
      attempts: [
        {
          status: 'skipped', reason: 'recently_tried', method: 'truecaller.push', startedAt: at - 60_000,
          endedAt: at - 60_000,
        },
        { status: 'failed', reason: 'abandoned', method: 'otpless.otp', startedAt: at - 60_000, endedAt: at - 30_000 },
        {
          status: 'pending', phase: 'waiting', method: 'otpless.otp', startedAt: at - 30_000, endsAt: at - 1_000, state: { requestId: requestId('+14155550130') },
          action: submitCode, attemptsRemaining: 5, resend: { left: 1, availableAt: at, afterMs: 30_000 },
        },
      ],
    },
    ...pending,
  },
  /** Another app's, which has no webhook. */
  ofTheBank: {
    record: {
      ...common, id: 'ver_eNfuYrRngsa6mFUOXZ-rjQpkcIOaRw', appId: 'bank', phoneNumber: '+14155550104', includeProfile: false, news: null, workflow: [check],
      status: 'pending', revision: 2,
      attempts: [{
        status: 'pending', phase: 'waiting', method: 'truid.phone_check', startedAt: at, endsAt: at + 60_000,
        state: {
          checkId: '4492d4cf-8658-426e-b591-936114d517d5', self: `${simulators}/phone_check/v0.2/checks/4492d4cf-8658-426e-b591-936114d517d5`, version: 'v0.2',
        },
        action: {
          type: 'openUrlOnCellular',
          url: `${simulators}/phone_check/v0.2/checks/4492d4cf-8658-426e-b591-936114d517d5/redirect`, finish: 'code',
        },
        attemptsRemaining: null, resend: null,
      }],
    },
    dueAt: at + 60_000, expiresAt: at + 600_000 + day,
  },
  /** The app is still to be told. */
  verified: {
    record: {
      ...common, id: 'ver_2uVjLG0Ge5QHfuCBcgbjFAs6hLnj7A', phoneNumber: '+14155550108', workflow: [otp], status: 'verified', revision: 4,
      news: { ...nothingToTell, owed: [{ type: 'verified', revision: 4 }], dueAt: at - 1_000 },
      attempts: [{ status: 'verified', reason: null, method: 'otpless.otp', startedAt: at - 5_000, endedAt: at }],
      result: {
        phoneNumber: '+14155550108', method: 'otpless.otp', verifiedAt: at, profile: null, signals: null,
      }, profileSearch: null,
    },
    dueAt: at - 1_000, expiresAt: at + day,
    lists: [{ name: 'qJq5tOmwxEqA80NJb2Uuhg', score: at }],
  },
  /** The time in which its profile can be had is over. */
  withoutProfile: {
    record: {
      ...common, id: 'ver_kXC5MtA4XEKy30EXzkgO4wqmBjzUMA', phoneNumber: '+14155550132', workflow: [web], status: 'verified', revision: 4,
      attempts: [{ status: 'verified', reason: null, method: 'truecaller.web', startedAt: at - 5_000, endedAt: at }],
      result: { phoneNumber: '+14155550132', method: 'truecaller.web', verifiedAt: at, profile: null, signals: null },
      profileSearch: {
        evidence: { accessToken: 'an-invented-token-of-nobody' }, leaseUntil: at - 2_000, until: at - 1_000,
      },
    },
    dueAt: at - 2_000, expiresAt: at + day,
  },
  // What was over had no due time.
  told: {
    record: {
      ...common, id: 'ver_0eA3QJtBxJA9DPCeWsl2_AfDn9XPaA', phoneNumber: '+14155550134', workflow: [web], status: 'verified', revision: 4,
      attempts: [{ status: 'verified', reason: null, method: 'truecaller.web', startedAt: at - 5_000, endedAt: at }],
      result: {
        phoneNumber: '+14155550134', method: 'truecaller.web', verifiedAt: at, profile: {
          name: { first: 'Ada', last: 'Example' },
        }, signals: { line: 'mobile' },
      },
      profileSearch: null,
    },
    dueAt: null, expiresAt: at + day,
  },
  failed: {
    record: {
      ...common, id: 'ver_0rAbxxExh_xI3azDYQ0w3Ase0WU0OQ', phoneNumber: '+14155550196', workflow: [otp], status: 'failed', reason: 'provider_unavailable', revision: 2,
      attempts: [{ status: 'failed', reason: 'provider_error', method: 'otpless.otp', startedAt: at, endedAt: at }],
    },
    dueAt: null, expiresAt: at + day, lists: [{ name: 'EaAndk6SzmPpQF_P3H6NrQ', score: at }],
  },
  expired: {
    record: {
      ...common, id: 'ver_sZrpuIy7-AudT4Mznvh0IA5nia_SEw', phoneNumber: '+14155550136', workflow: [otp], status: 'expired', reason: 'attempt_timeout', revision: 3,
      attempts: [{ status: 'expired', reason: 'attempt_timeout', method: 'otpless.otp', startedAt: at, endedAt: at }],
    },
    dueAt: null, expiresAt: at + day,
  },
  canceled: {
    record: {
      ...common, id: 'ver_Y1KIj9oPtGuHl0K7I8hJ1wjmfrBYBA', phoneNumber: '+14155550110', workflow: [otp], status: 'canceled', reason: 'app_canceled', revision: 3,
      attempts: [{ status: 'canceled', reason: 'app_canceled', method: 'otpless.otp', startedAt: at, endedAt: at }],
    },
    dueAt: null, expiresAt: at + day,
  },
}) satisfies Record<string, RecordBefore>

const delivery = {
  appId: 'shop', verificationId: 'ver_2uVjLG0Ge5QHfuCBcgbjFAs6hLnj7A', type: 'verification.verified', isAsked: false, format: 1, url: 'http://127.0.0.1:9/hook',
  tries: [], step: 0, nextTryAt: at, createdAt: at,
}
const list = [{ name: 'X1Dg3ry6LRq7sGmVAGQ5jA', score: at }]
const body = (text: string): string =>
  `{"type":"verification.verified","timestamp":"2033-05-18T03:33:20.000Z","data":{"note":"${text}"}}`

/** Its deliveries. */
export const deliveriesBefore = {
  fresh: {
    record: {
      ...delivery, id: 'whd_k0CQ_X80ihRdXirIDkURyA4hrtJnqw_4', webhookId: 'msg_k0CQ_X80ihRdXirIDkURyA4hrtJnqw_4',
      body: body('fresh'), status: 'pending',
    },
    dueAt: at, expiresAt: at + 31 * day, lists: list,
  },
  tried: {
    record: {
      ...delivery, id: 'whd_U1inKsqcbibFanDvmSjw7AqQU8N32A_4', webhookId: 'msg_U1inKsqcbibFanDvmSjw7AqQU8N32A_4', body: body('tried'), status: 'pending', step: 2,
      tries: [
        { at: at - 8_000, statusCode: 503, durationMs: 12, error: null },
        { at: at - 3_000, statusCode: null, durationMs: 10_000, error: 'timeout' },
      ],
    },
    dueAt: at, expiresAt: at + 31 * day, lists: list,
  },
  delivered: {
    record: {
      ...delivery, id: 'whd_k6jk8jkr8lg793Cb6bhp7A-XREL4Xw_4', webhookId: 'msg_k6jk8jkr8lg793Cb6bhp7A-XREL4Xw_4', body: body('delivered'), status: 'delivered',
      step: 1, nextTryAt: null, tries: [{ at, statusCode: 204, durationMs: 8, error: null }],
    },
    dueAt: null, expiresAt: at + day, lists: list,
  },
  failed: {
    record: {
      ...delivery, id: 'whd_87V3rEjQdSy2b_XpwzxHuAcaWk149w_4', webhookId: 'msg_87V3rEjQdSy2b_XpwzxHuAcaWk149w_4', body: body('failed'), status: 'failed',
      step: 1, nextTryAt: null, tries: [{ at, statusCode: 410, durationMs: 8, error: null }],
    },
    dueAt: null, expiresAt: at + day, lists: list,
  },
  trial: {
    record: {
      ...delivery, id: 'whd_y3mHERa6U-Zv1r6gGsAq1gv0NB-02A_0', webhookId: 'msg_y3mHERa6U-Zv1r6gGsAq1gv0NB-02A_0', verificationId: null, type: 'webhook.test',
      body: '{"type":"webhook.test","timestamp":"2033-05-18T03:33:25.000Z","data":{"app":"shop"}}', isAsked: true, status: 'pending',
    },
    dueAt: at, expiresAt: at + 31 * day, lists: list,
  },
} satisfies Record<string, RecordBefore>
