// Generated from openapi/openapi.json by `node scripts/openapi.ts`: do not edit.

export interface paths {
    "/verifications": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Find the app's verifications by reference or phone number
         * @description For support and reconciliation: newest first, within their retention. Send either `reference` or `phoneNumber`. Changes nothing.
         *
         *     A key with the scope `operations:read` and without `verifications:read` is for the operator: it searches over all apps, each item has its `appId`, profiles are left out, and the audit log has a line.
         *
         *     **Callers:** an API key with the scope `verifications:read`; or an API key with the scope `operations:read`.
         */
        get: operations["listVerifications"];
        put?: never;
        /**
         * Create a verification and start its first attempt
         * @description The first method of the workflow that can serve the request starts before the response is sent, so a message may already be on its way to the user.
         *
         *     If every method fails immediately, the response is still 201 with a `failed` verification: an outcome is not an error.
         *
         *     Repeating: the same `idempotency-key` with the same body returns the same verification in its current state, and starts nothing. Without a key, a second request for the number is 409 `verification_in_progress` while the first verification is live.
         *
         *     **Callers:** an API key with the scope `verifications:write`.
         */
        post: operations["createVerification"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/verifications/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Read a verification, or wait for its next change
         * @description Changes nothing. With `wait` it is a long poll: the response is sent when the revision is above `revision`, when the verification is final, or when the time is over. Then repeat the call with the revision of the response.
         *
         *     A final verification stays readable for a day, unless the operator configures another retention. After that, or after erasure, an id that this gateway issued is 410 and any other id 404.
         *
         *     **Callers:** an API key with the scope `verifications:read`; or the front end, with the client secret of this verification.
         */
        get: operations["getVerification"];
        put?: never;
        post?: never;
        /**
         * Erase a verification immediately
         * @description Deletes the user's data before the retention is over, in any state: the record and its webhooks, also those that are not yet delivered.
         *
         *     Repeating: afterwards every call with the id, including this one, is 410.
         *
         *     **Callers:** an API key with the scope `verifications:write`.
         */
        delete: operations["eraseVerification"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/verifications/{id}/check": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Submit evidence: a code, a token, or "the device is done"
         * @description `nextAction` determines which kind of evidence the attempt accepts; `{}` queries the provider. Evidence that proves the number ends the verification. Evidence that proves nothing ends the attempt, and the next method may start. A wrong code is 422 `code_incorrect` with `attemptsRemaining`.
         *
         *     Of a code that the user types, spaces, dashes, direction marks and line ends are ignored, and the decimal digits of every script are accepted. Input without a digit is 400 and does not use up an attempt. White space around tokens and other codes is removed.
         *
         *     Repeating: while the same evidence is being checked, the response is 202 and nothing is sent twice. When the verification has ended, `{}` and the evidence that settled it return it with 200; other evidence is 409 `invalid_state` with the status.
         *
         *     **Callers:** an API key with the scope `verifications:write`; or the front end, with the client secret of this verification.
         */
        post: operations["checkVerification"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/verifications/{id}/next": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * End the current attempt and start the next one
         * @description For a method that does not work here, or a user who prefers another one. The attempt ends with the reason, and the next method of the workflow starts. If no method is left, the verification is `failed` with that reason.
         *
         *     While a code or token is being checked, the call waits for the result, at most ten seconds: a correct one verifies the number, and a wrong one is counted. A method that just sent a message cannot be left for another one that sends a message: 429 with `retry-after` until a resend would be possible.
         *
         *     Repeating: each call ends the attempt that is pending when it arrives. With `revision`, a repeated call is 409 `invalid_state` and ends nothing.
         *
         *     **Callers:** an API key with the scope `verifications:write`; or the front end, with the client secret of this verification.
         */
        post: operations["startNextAttempt"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/verifications/{id}/resend": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Send the message of the current attempt again
         * @description For a message that did not arrive: the provider sends it again, and the earlier one may still be valid. `availableActions` says whether, and from when, this is possible. Too early is 429 with `retry-after`; not supported is 409 `invalid_state`.
         *
         *     Repeating: each call that returns 200 sent a message. A call that follows too soon sends none.
         *
         *     **Callers:** an API key with the scope `verifications:write`; or the front end, with the client secret of this verification.
         */
        post: operations["resendMessage"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/verifications/{id}/cancel": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Cancel a verification
         * @description For a user who left, or a number that is no longer needed. Later messages of the provider change nothing, and the number is free for another verification.
         *
         *     Repeating: a verification that has already ended is 409 `invalid_state` with `verificationStatus`.
         *
         *     **Callers:** an API key with the scope `verifications:write`.
         */
        post: operations["cancelVerification"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/verifications/{id}/events": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Follow a verification: Server-Sent Events
         * @description The fastest way to learn of changes, also for a browser's `EventSource`. The stream sends the current state immediately, then each change: `id` is the revision, `event` the type, `data` the verification in one line. Changes in quick succession may be sent as one event. The stream ends after the final event.
         *
         *     Events: `verification.updated`, `verification.action_required`, `verification.verified`, `verification.failed`, `verification.expired`, `verification.canceled`.
         *
         *     Changes nothing. Repeating: with `last-event-id`, which an `EventSource` sends by itself, the stream continues after that revision.
         *
         *     **Callers:** an API key with the scope `verifications:read`; or the front end, with the client secret of this verification; or the same secret as `clientSecret` in the query.
         */
        get: operations["followVerification"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/eligibility": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Ask which methods can serve a number
         * @description For apps that let the user choose a method. Nothing is sent to the user. Providers are queried only where that is free of charge, and for at most a second; a method is eligible unless it is known not to serve the number.
         *
         *     A create needs no call of this kind: the gateway checks the same before each attempt, and skips a method that cannot serve the number. Methods that discover the number are not asked about it.
         *
         *     The answer says neither whether the number has an account with a provider, nor what other apps did with it.
         *
         *     Repeating: changes nothing.
         *
         *     **Callers:** an API key with the scope `verifications:read`.
         */
        post: operations["checkEligibility"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/webhooks/deliveries": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List the deliveries to the app's webhook
         * @description For webhooks that did not arrive: every event with its tries, newest first. A page may contain fewer than `limit` items: continue with `nextCursor` until it is null. Changes nothing.
         *
         *     **Callers:** an API key with the scope `webhooks:read`.
         */
        get: operations["listDeliveries"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/webhooks/deliveries/{deliveryId}/replay": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Send a delivery again
         * @description For use after the receiver was fixed: the event is sent immediately, then retried on the schedule, with the same `webhook-id` and body. A success enables a disabled endpoint again.
         *
         *     Repeating: each call restarts the schedule.
         *
         *     **Callers:** an API key with the scope `webhooks:write`.
         */
        post: operations["replayDelivery"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/webhooks/test": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Send a test event to the app's webhook
         * @description For testing the receiver: a `webhook.test` is signed, retried and listed like any other event. A success enables a disabled endpoint again.
         *
         *     Repeating: each call sends another event.
         *
         *     **Callers:** an API key with the scope `webhooks:write`.
         */
        post: operations["testWebhook"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/callbacks/{provider}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Return of a browser to a registered redirect URI
         * @description For providers that redirect to one URI for every attempt: `state` of the query names the attempt. Otherwise as the path with the key.
         */
        get: operations["returnToFixedUri"];
        put?: never;
        /**
         * Callback of a provider about any attempt
         * @description For providers only. The body has the format that the provider documents. The provider's adapter authenticates and reads it; the result is processed after the response.
         *
         *     Repeating: late, repeated and reordered calls change nothing and get the same response.
         */
        post: operations["receiveCallback"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/callbacks/{provider}/{key}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Return of a browser from a provider
         * @description Redirects the browser to the app's `returnUrl` with `code` (or `error`) and `verification` added; the front end submits the code with `check`. The redirect does not consume the code, so it can be repeated. Where the provider puts the code into the fragment, only `verification` is added, and the browser keeps the fragment.
         */
        get: operations["returnFromProvider"];
        put?: never;
        /**
         * Callback of a provider about the attempt that the key names
         * @description For providers only. The body has the format that the provider documents. The provider's adapter authenticates and reads it; the result is processed after the response.
         *
         *     Repeating: late, repeated and reordered calls change nothing and get the same response.
         */
        post: operations["receiveKeyedCallback"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/providers": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List the configured providers, their methods and their health
         * @description The methods that a workflow can name, and whether they work now. The health is what all processes have observed, a few seconds late. Changes nothing.
         *
         *     **Callers:** an API key with the scope `providers:read`.
         */
        get: operations["listProviders"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/livez": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Liveness probe: 503 means the process must be restarted
         * @description Depends on no other service, and is answered under load.
         */
        get: operations["getLiveness"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/readyz": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Readiness probe: 503 means the process should get no traffic
         * @description For readiness probes and load balancers. Checks Redis and the workers of this process.
         */
        get: operations["getReadiness"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/metrics": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Prometheus metrics
         * @description For scraping, at most once a second: a scrape that comes sooner waits for its time. Contains no phone numbers, ids or secrets.
         */
        get: operations["getMetrics"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
}
export interface webhooks {
    "verification.created": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * A verification was created
         * @description Sent for each new verification, also for one that failed immediately. Sent only if the app selects it (`events` of its webhook: `created`).
         */
        post: operations["onVerificationCreated"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "verification.action_required": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * The front end has a new action
         * @description `nextAction` changed: the next method of the workflow started, or the code was sent again. Sent only if the app selects it (`events` of its webhook: `action_required`).
         */
        post: operations["onVerificationActionRequired"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "verification.verified": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * The number was proven
         * @description Only this event means that the number can be trusted. Sent by default (`events` of its webhook: `verified`).
         */
        post: operations["onVerificationVerified"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "verification.failed": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * The verification failed
         * @description See `reason`. Sent by default (`events` of its webhook: `failed`).
         */
        post: operations["onVerificationFailed"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "verification.expired": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * The verification expired
         * @description No evidence was received in time. Sent by default (`events` of its webhook: `expired`).
         */
        post: operations["onVerificationExpired"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "verification.canceled": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * The verification was canceled
         * @description By the app, or because a newer verification replaced it. Sent by default (`events` of its webhook: `canceled`).
         */
        post: operations["onVerificationCanceled"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "webhook.test": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * A test
         * @description Sent only by `POST /webhooks/test`. Describes no verification.
         */
        post: operations["onWebhookTest"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
}
export interface components {
    schemas: {
        /**
         * ActionName
         * @description The call of this name.
         */
        ActionName: components["schemas"]["KnownActionName"] | (string & {});
        /**
         * Address
         * @description A postal address.
         */
        Address: {
            /**
             * @description ISO 3166-1 alpha-2.
             * @example US
             */
            countryCode?: string;
            /**
             * @description City.
             * @example Springfield
             */
            city?: string;
            /**
             * @description Street and number.
             * @example Main Street 1
             */
            street?: string;
            /**
             * @description Postal code.
             * @example 94016
             */
            zipcode?: string;
        };
        /**
         * AnswerCallAction
         * @description The user approves by answering a call.
         */
        AnswerCallAction: {
            /** @constant */
            type: "answerCall";
            /**
             * Format: date-time
             * @description When the attempt expires.
             * @example 2026-03-01T12:00:00.000Z
             */
            expiresAt: string;
        };
        /**
         * ApproveOnDeviceAction
         * @description The user approves in this app on the handset.
         */
        ApproveOnDeviceAction: {
            /** @constant */
            type: "approveOnDevice";
            /**
             * @description The app that asks the user.
             * @example truecaller
             */
            app: string;
            /**
             * Format: date-time
             * @description When the attempt expires.
             * @example 2026-03-01T12:00:00.000Z
             */
            expiresAt: string;
        };
        /**
         * Assurance
         * @description How strong a proof is. Ignore unknown members: more may be added.
         */
        Assurance: {
            level: components["schemas"]["AssuranceLevel"];
            possession: components["schemas"]["Possession"];
            binding: components["schemas"]["Binding"];
            /** @description SMS or voice: a restricted authenticator of NIST SP 800-63B. */
            restricted: boolean;
        };
        /**
         * AssuranceLevel
         * @description - `3`: the mobile network identified the SIM, bound to the session
         *     - `2`: a message reached the number, or an account holds it, bound to the session
         *     - `1`: everything else: an attacker can have a victim approve the attacker's verification
         * @example 2
         * @enum {integer}
         */
        AssuranceLevel: 1 | 2 | 3;
        /**
         * Attempt
         * @description One attempt with one method.
         */
        Attempt: {
            /**
             * @description Id of the attempt.
             * @example att_m3Q0v7cW1kXr2dPz
             */
            id: string;
            method: components["schemas"]["Method"];
            /**
             * @description The part of the method before the dot.
             * @example truid
             */
            provider: string;
            status: components["schemas"]["AttemptStatus"];
            /** @description Why the attempt ended. Null while it is pending, when it is verified, and when it was skipped because the method cannot serve this verification. */
            reason: components["schemas"]["Reason"] | null;
            /**
             * Format: date-time
             * @description When the attempt started.
             * @example 2026-03-01T12:00:00.000Z
             */
            startedAt: string;
            /** @description When the attempt ended. */
            endedAt: string | null;
            /** @description How far the last message of the attempt has come. Null without a receipt of the provider: many send none. It proves nothing. */
            delivery: components["schemas"]["MessageReceipt"] | null;
            /** @description What the provider announced to charge; null if it announced nothing, and for a client secret. */
            cost: components["schemas"]["Cost"] | null;
        };
        /**
         * AttemptStatus
         * @description `skipped`: never started. `failed`: see `reason`; the next attempt may have started.
         * @enum {string}
         */
        AttemptStatus: "pending" | "verified" | "failed" | "expired" | "canceled" | "skipped";
        /**
         * AuthorizationCodeEvidence
         * @description For `submitToken` of `truecaller.oauth`.
         */
        AuthorizationCodeEvidence: {
            /**
             * @description The authorization code of the Truecaller SDK 3.x.
             * @example a1b2c3d4
             */
            authorizationCode: string;
            /**
             * @description The PKCE verifier that the front end created.
             * @example dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk
             */
            codeVerifier: string;
        };
        /**
         * Autofill
         * @description Present where the text of the message lets the device fill in the code.
         */
        Autofill: {
            /**
             * @description The last line of the message, with which WebOTP and iOS offer the code to the page of this host.
             * @example @app.example #code
             */
            webOtp: string;
        };
        /**
         * AvailableAction
         * @description What else the front end may do.
         */
        AvailableAction: {
            action: components["schemas"]["ActionName"];
            /**
             * Format: date-time
             * @description The earliest time for it.
             * @example 2026-03-01T12:00:00.000Z
             */
            availableAt: string;
            /**
             * @description How many times it can still be used.
             * @example 2
             */
            remaining?: number;
        };
        /**
         * Binding
         * @description - `session`: the evidence came back through the front end that started the verification
         *     - `none`: someone approved elsewhere
         */
        Binding: components["schemas"]["KnownBinding"] | (string & {});
        /**
         * BreakerState
         * @description State of the worst circuit breaker: each method has one for each kind of call (start, resend, resolve, cancel). `open`: such calls are not made, and while it is that of start, attempts are skipped; `halfOpen`: one call probes the provider.
         * @enum {string}
         */
        BreakerState: "closed" | "open" | "halfOpen";
        /**
         * CodeEvidence
         * @description For `submitCode`, `openMessageLink` and `openUrl`, and `openUrlOnCellular` with `finish: "code"`.
         */
        CodeEvidence: {
            /**
             * @description The code that the user typed, or the code of the redirect.
             * @example 550100
             */
            code: string;
        };
        /**
         * Cost
         * @description What the provider announced to charge.
         */
        Cost: {
            /**
             * @description In the unit `currency`.
             * @example 1
             */
            amount: number;
            /**
             * @description ISO 4217, or a unit of the provider.
             * @example API
             */
            currency: string;
        };
        /**
         * CreateVerification
         * @description What to verify, and how. An unknown member is an error that names the member.
         */
        CreateVerification: {
            /**
             * @description The number to verify: E.164 with `+`. Omit it when the method discovers the number.
             * @example +14155550100
             */
            phoneNumber?: string;
            /**
             * @description Methods in the order in which they are tried. Default: the app's workflow, or the configured methods that can serve the request, silent ones first: of several of the same kind, such as the typed codes of two providers, one whose provider works.
             * @example [
             *       "truid.phone_check",
             *       {
             *         "method": "otpless.otp",
             *         "timeoutSeconds": 300
             *       }
             *     ]
             */
            workflow?: (components["schemas"]["Method"] | components["schemas"]["WorkflowItem"])[];
            /**
             * @description The app's own id. Returned unchanged; verifications can be found by it.
             * @example signup-8842
             */
            reference?: string;
            /**
             * @description At most 20 pairs (key ≤ 40, value ≤ 500 characters). Returned unchanged, never interpreted.
             * @example {
             *       "plan": "pro"
             *     }
             */
            metadata?: {
                [key: string]: string;
            };
            /**
             * @description BCP 47 tag: the language of messages, if the provider supports it.
             * @example en-GB
             */
            locale?: string;
            device?: components["schemas"]["Device"];
            /**
             * @description Where the browser goes after a redirect method, with `verification` and `code` or `error` added to its query. Must match the app's allow-list. A fragment is not allowed.
             * @example https://app.example/verified
             * @example com.example.app:/verified
             */
            returnUrl?: string;
            /**
             * @description Lifetime of the verification. Default: 600.
             * @example 600
             */
            expiresInSeconds?: number;
            onConflict?: components["schemas"]["OnConflict"];
            /**
             * @description The least `assurance.level` that verifies: methods below it are not started. Default: the app's, else 1.
             * @example 2
             * @enum {integer}
             */
            minAssurance?: 1 | 2 | 3;
        };
        /**
         * CreatedVerification
         * @description A verification and its client secret for the front end.
         */
        CreatedVerification: components["schemas"]["Verification"] & {
            /**
             * @description For the front end: gives access to this verification only. Only this response contains it.
             * @example vcs_…
             */
            clientSecret: string;
        };
        /**
         * Delivery
         * @description The delivery of one event to the app.
         */
        Delivery: {
            /**
             * @description Id of the delivery.
             * @example whd_Yd0cA4o5jCkYlY2xXzVb7QBmJ2kQhQ_5
             */
            id: string;
            /**
             * @description The header `webhook-id`: the same on every try and replay.
             * @example msg_Yd0cA4o5jCkYlY2xXzVb7QBmJ2kQhQ_5
             */
            webhookId: string;
            /**
             * @description Type of the event.
             * @example verification.verified
             * @example webhook.test
             */
            type: string;
            /** @description The verification that the event describes. Null for a test. */
            verificationId: string | null;
            /**
             * @description URL of the last try, without the query.
             * @example https://shop.example/hooks/verigate
             */
            url: string;
            status: components["schemas"]["DeliveryStatus"];
            /** @description Oldest first. At most the last fifty. */
            tries: components["schemas"]["DeliveryTry"][];
            /** @description Time of the next try. Null when there will be none. */
            nextTryAt: string | null;
        };
        /**
         * DeliveryError
         * @description Why a try brought no response. `endpoint_disabled`: the endpoint answered 410 before; `no_endpoint`: the app no longer has a webhook.
         */
        DeliveryError: components["schemas"]["KnownDeliveryError"] | (string & {});
        /**
         * DeliveryList
         * @description Deliveries to the app.
         */
        DeliveryList: {
            /** @description Newest first. */
            data: components["schemas"]["Delivery"][];
            /** @description Send it as `cursor` to get the next page. Null on the last page. */
            nextCursor: string | null;
        };
        /**
         * DeliveryStatus
         * @description `failed`: there will be no further try.
         * @enum {string}
         */
        DeliveryStatus: "pending" | "delivered" | "failed";
        /**
         * DeliveryTry
         * @description One try to deliver an event.
         */
        DeliveryTry: {
            /**
             * Format: date-time
             * @description When it was sent.
             * @example 2026-03-01T12:00:00.000Z
             */
            at: string;
            /** @description Status of the response. Null without a response. */
            statusCode: number | null;
            /**
             * @description Duration in milliseconds.
             * @example 84
             */
            durationMs: number;
            /** @description Why there was no response. Null if there was one. */
            error: components["schemas"]["DeliveryError"] | null;
        };
        /**
         * Device
         * @description The end user's device.
         */
        Device: {
            /**
             * @description The end user's IPv4 or IPv6 address, for the app's limit per address. A port is dropped.
             * @example 203.0.113.7
             */
            ip?: string;
            /**
             * @description User agent of the browser or app.
             * @example Mozilla/5.0 (Linux; Android 15)
             */
            userAgent?: string;
            /**
             * @description Platform of the device.
             * @example android
             * @example ios
             * @example web
             */
            platform?: string;
        };
        /**
         * Eligibility
         * @description Whether one method can serve the number.
         */
        Eligibility: {
            method: components["schemas"]["Method"];
            /**
             * @description Name of the provider.
             * @example truid
             */
            provider: string;
            /** @description False: an attempt with this method would be skipped, or would not start. */
            eligible: boolean;
            /** @description Why it is not eligible. Null when it is. */
            reason: components["schemas"]["IneligibilityReason"] | null;
        };
        /**
         * EligibilityList
         * @description Whether each configured method can serve the number.
         */
        EligibilityList: {
            /** @description Every configured method. */
            data: components["schemas"]["Eligibility"][];
            /** @description The list is always complete. */
            nextCursor: null;
        };
        /**
         * EligibilityQuestion
         * @description The number, and the device of its user.
         */
        EligibilityQuestion: {
            /**
             * @description E.164 with `+`.
             * @example +14155550100
             */
            phoneNumber: string;
            device?: components["schemas"]["Device"];
        };
        /**
         * EmptyBody
         * @description No members; the body may be absent.
         */
        EmptyBody: Record<string, never>;
        /**
         * ErrorCode
         * @description What went wrong. More may be added: use `status` then.
         *
         *     - `invalid_request`: 400. The request is not valid.
         *     - `unauthenticated`: 401. No valid credentials.
         *     - `forbidden`: 403. Not allowed with these credentials.
         *     - `not_found`: 404. Not found.
         *     - `method_not_allowed`: 405. Method not allowed.
         *     - `invalid_state`: 409. Not possible in this state.
         *     - `verification_in_progress`: 409. A verification of this number is in progress.
         *     - `idempotency_in_progress`: 409. The first request with this Idempotency-Key is still in progress.
         *     - `gone`: 410. Gone: erased, or past its retention.
         *     - `payload_too_large`: 413. The body is too large.
         *     - `unsupported_media_type`: 415. Unsupported media type.
         *     - `invalid_phone_number`: 422. Not a phone number.
         *     - `method_unavailable`: 422. A method of the workflow is not available.
         *     - `no_eligible_method`: 422. No method can serve this request.
         *     - `idempotency_key_reused`: 422. This Idempotency-Key was used with another body.
         *     - `code_incorrect`: 422. The code is incorrect.
         *     - `country_not_allowed`: 422. Numbers of this country are not allowed.
         *     - `number_type_not_allowed`: 422. Numbers of this type get no messages.
         *     - `rate_limited`: 429. Too many requests.
         *     - `internal_error`: 500. Internal error.
         *     - `overloaded`: 503. The server is overloaded.
         *     - `provider_unavailable`: 503. The provider is unavailable.
         *     - `store_unavailable`: 503. Redis is unavailable.
         */
        ErrorCode: components["schemas"]["KnownErrorCode"] | (string & {});
        /**
         * Evidence
         * @description Exactly one kind of evidence. An absent body is `{}`.
         */
        Evidence: components["schemas"]["CodeEvidence"] | components["schemas"]["TokenEvidence"] | components["schemas"]["AuthorizationCodeEvidence"] | components["schemas"]["PayloadEvidence"] | components["schemas"]["NoEvidence"];
        /**
         * EvidenceKind
         * @description The member of the body of `check`; `none` is the body `{}`.
         */
        EvidenceKind: components["schemas"]["KnownEvidenceKind"] | (string & {});
        /**
         * FieldError
         * @description One invalid field of the request.
         */
        FieldError: {
            /**
             * @description Path of the field.
             * @example workflow/0/method
             */
            field: string;
            /**
             * @description What is wrong with the field.
             * @example has an invalid format
             */
            message: string;
        };
        /**
         * FoundVerification
         * @description A verification that a search has found.
         */
        FoundVerification: components["schemas"]["Verification"] & {
            /**
             * @description The app that it belongs to. Only when an operator searches over all apps.
             * @example shop
             */
            appId?: string;
        };
        /**
         * IneligibilityReason
         * @description Why a method is not eligible.
         *
         *     - `country_not_allowed`: the app may not verify numbers of this country
         *     - `number_type_not_allowed`: numbers of this type get no messages
         *     - `provider_unavailable`: the provider has failed too often lately
         *     - `recently_tried`: the app has used the method for this number too recently
         *     - `test_number`: a test number of the app is verified by a typed code only
         *     - `carrier_unsupported`: the carrier of the number does not support the method
         *     - `not_on_cellular`: the device is not on mobile data
         *     - `app_not_installed`: the device cannot have the app that the method needs
         *     - `device_mismatch`: the method does not work on this device
         */
        IneligibilityReason: components["schemas"]["KnownIneligibilityReason"] | (string & {});
        /**
         * KnownActionName
         * @description The words of ActionName today.
         * @enum {string}
         */
        KnownActionName: "next" | "resend";
        /**
         * KnownBinding
         * @description The words of Binding today.
         * @enum {string}
         */
        KnownBinding: "session" | "none";
        /**
         * KnownDeliveryError
         * @description The words of DeliveryError today.
         * @enum {string}
         */
        KnownDeliveryError: "timeout" | "connection_refused" | "unreachable" | "dns" | "tls" | "reset" | "bad_response" | "address_not_allowed" | "invalid_url" | "other" | "no_endpoint" | "endpoint_disabled";
        /**
         * KnownErrorCode
         * @description The words of ErrorCode today.
         * @enum {string}
         */
        KnownErrorCode: "invalid_request" | "unauthenticated" | "forbidden" | "not_found" | "method_not_allowed" | "invalid_state" | "verification_in_progress" | "idempotency_in_progress" | "gone" | "payload_too_large" | "unsupported_media_type" | "invalid_phone_number" | "method_unavailable" | "no_eligible_method" | "idempotency_key_reused" | "code_incorrect" | "country_not_allowed" | "number_type_not_allowed" | "rate_limited" | "internal_error" | "overloaded" | "provider_unavailable" | "store_unavailable";
        /**
         * KnownEvidenceKind
         * @description The words of EvidenceKind today.
         * @enum {string}
         */
        KnownEvidenceKind: "code" | "token" | "authorizationCode" | "payload" | "none";
        /**
         * KnownIneligibilityReason
         * @description The words of IneligibilityReason today.
         * @enum {string}
         */
        KnownIneligibilityReason: "country_not_allowed" | "number_type_not_allowed" | "provider_unavailable" | "recently_tried" | "test_number" | "app_not_installed" | "not_on_cellular" | "carrier_unsupported" | "device_mismatch";
        /**
         * KnownMessageStatus
         * @description The words of MessageStatus today.
         * @enum {string}
         */
        KnownMessageStatus: "sent" | "delivered" | "read" | "failed";
        /**
         * KnownPossession
         * @description The words of Possession today.
         * @enum {string}
         */
        KnownPossession: "sim" | "message" | "account";
        /**
         * KnownReason
         * @description The words of Reason today.
         * @enum {string}
         */
        KnownReason: "number_mismatch" | "user_rejected" | "code_attempts_exhausted" | "app_not_installed" | "not_on_cellular" | "carrier_unsupported" | "number_not_registered" | "device_mismatch" | "recently_tried" | "attempt_timeout" | "abandoned" | "evidence_invalid" | "evidence_expired" | "provider_timeout" | "provider_error" | "provider_bad_response" | "rate_limited_by_provider" | "provider_misconfigured" | "provider_unavailable" | "deadline" | "app_canceled" | "superseded" | "blocked";
        /**
         * Liveness
         * @description Whether this process can continue.
         */
        Liveness: {
            /**
             * @description `stuck`: the process must be restarted.
             * @enum {string}
             */
            status: "ok" | "stuck";
            checks: components["schemas"]["LivenessChecks"];
        };
        /**
         * LivenessChecks
         * @description Result of each check.
         */
        LivenessChecks: {
            /**
             * @description `stuck`: every probe within a minute found the event loop slow.
             * @enum {string}
             */
            eventLoop: "ok" | "stuck";
            /**
             * @description `none`: this process runs no jobs.
             * @enum {string}
             */
            workers: "ok" | "stuck" | "none";
        };
        /**
         * MessageReceipt
         * @description What the provider says about a message. It proves nothing.
         */
        MessageReceipt: {
            status: components["schemas"]["MessageStatus"];
            /**
             * @description How it was sent.
             * @example sms
             * @example whatsapp
             * @example viber
             * @example voice_call
             */
            channel: string;
            /**
             * Format: date-time
             * @description When the provider says that it happened.
             * @example 2026-03-01T12:00:00.000Z
             */
            at: string;
        };
        /**
         * MessageStatus
         * @description `delivered`: it is on the phone; `failed`: it does not arrive. A later status replaces an earlier one, and a message by another channel replaces one that failed.
         */
        MessageStatus: components["schemas"]["KnownMessageStatus"] | (string & {});
        /**
         * Method
         * @description Name of a method: `<provider>.<channel>`. `GET /providers` lists the available ones.
         * @example truid.phone_check
         * @example otpless.otp
         */
        Method: string;
        /**
         * NextAction
         * @description What the front end must do now. If you do not know a `type`, call `next`.
         */
        NextAction: components["schemas"]["ApproveOnDeviceAction"] | components["schemas"]["OpenDeepLinkAction"] | components["schemas"]["OpenUrlOnCellularAction"] | components["schemas"]["OpenUrlAction"] | components["schemas"]["SubmitTokenAction"] | components["schemas"]["SubmitCodeAction"] | components["schemas"]["OpenMessageLinkAction"] | components["schemas"]["AnswerCallAction"] | components["schemas"]["WaitAction"];
        /**
         * NextAttempt
         * @description Why the next attempt starts.
         */
        NextAttempt: {
            reason?: components["schemas"]["NextReason"];
            /**
             * @description The `revision` that the caller has read. If the verification has a newer one, nothing is done: 409.
             * @example 3
             */
            revision?: number;
        };
        /**
         * NextReason
         * @description Why the current attempt ends. Default: `abandoned`.
         * @enum {string}
         */
        NextReason: "abandoned" | "app_not_installed" | "not_on_cellular" | "carrier_unsupported" | "user_rejected";
        /**
         * NoEvidence
         * @description The device is done: the gateway queries the provider.
         */
        NoEvidence: Record<string, never>;
        /**
         * OnConflict
         * @description When the number already has a live verification: `error` (default) returns 409 with its id, `replace` cancels it. It is 409, too, when both have a `reference` and the references differ.
         * @enum {string}
         */
        OnConflict: "error" | "replace";
        /**
         * OpenDeepLinkAction
         * @description Open the deep link.
         */
        OpenDeepLinkAction: {
            /** @constant */
            type: "openDeepLink";
            /**
             * @description Open it unchanged.
             * @example truecallersdk://truesdk/web_verify?type=btmsheet&requestNonce=…
             */
            url: string;
            /**
             * @description Where the deep link works.
             * @example [
             *       "android"
             *     ]
             */
            platforms: string[];
            /**
             * @description If the page still has the focus after this time, call `next` with `app_not_installed`.
             * @example 600
             */
            notOpenedAfterMs: number;
            /**
             * Format: date-time
             * @description When the attempt expires.
             * @example 2026-03-01T12:00:00.000Z
             */
            expiresAt: string;
        };
        /**
         * OpenMessageLinkAction
         * @description The user opens the link in the message.
         */
        OpenMessageLinkAction: {
            /** @constant */
            type: "openMessageLink";
            /**
             * @description The channels of the message.
             * @example [
             *       "SMS"
             *     ]
             */
            channels: string[];
            /**
             * Format: date-time
             * @description When the attempt expires.
             * @example 2026-03-01T12:00:00.000Z
             */
            expiresAt: string;
        };
        /**
         * OpenUrlAction
         * @description Open the URL in a browser.
         */
        OpenUrlAction: {
            /** @constant */
            type: "openUrl";
            /**
             * @description Open it unchanged.
             * @example https://eu.api.tru.id/phone_check/v0.2/checks/c69bc0e6-a429-11ea-bb37-0242ac130002/redirect
             */
            url: string;
            /**
             * Format: date-time
             * @description When the attempt expires.
             * @example 2026-03-01T12:00:00.000Z
             */
            expiresAt: string;
        };
        /**
         * OpenUrlOnCellularAction
         * @description Open the URL on the phone over mobile data.
         */
        OpenUrlOnCellularAction: {
            /** @constant */
            type: "openUrlOnCellular";
            /**
             * @description Open it unchanged.
             * @example https://eu.api.tru.id/phone_check/v0.2/checks/c69bc0e6-a429-11ea-bb37-0242ac130002/redirect
             */
            url: string;
            /**
             * @description `code`: submit the code of the final response, or of the redirect, with `check`; `none`: call `check` with `{}`.
             * @enum {string}
             */
            finish: "code" | "none";
            /**
             * Format: date-time
             * @description When the attempt expires.
             * @example 2026-03-01T12:00:00.000Z
             */
            expiresAt: string;
        };
        /**
         * PayloadEvidence
         * @description For `submitToken` of `truecaller.payload`.
         */
        PayloadEvidence: {
            /**
             * @description The payload of the legacy Truecaller SDK.
             * @example eyJyZXF1ZXN0Tm9uY2UiOiI…
             */
            payload: string;
            /**
             * @description The signature, in base64.
             * @example MEUCIQD…
             */
            signature: string;
            /**
             * @description The algorithm of the signature.
             * @example SHA512withRSA
             */
            signatureAlgorithm: string;
        };
        /**
         * PersonName
         * @description Name of the user.
         */
        PersonName: {
            /**
             * @description Given name, or the full name where the provider has only one.
             * @example Ada
             */
            first?: string;
            /**
             * @description Family name.
             * @example Example
             */
            last?: string;
        };
        /**
         * Possession
         * @description - `sim`: the mobile network identified the SIM
         *     - `message`: a code or a link reached the number
         *     - `account`: an account with a provider holds the number
         */
        Possession: components["schemas"]["KnownPossession"] | (string & {});
        /**
         * Problem
         * @description An error (RFC 9457). A refusal by the user is not an error but an outcome: see `status` and `reason` of the verification.
         */
        Problem: {
            /**
             * @description URL of a page about the code, for people: when it occurs, and what to do.
             * @example https://verify.example.com/problems/invalid_request
             */
            type: string;
            /**
             * @description Meaning of the code.
             * @example The request is not valid
             */
            title: string;
            /**
             * @description The HTTP status.
             * @example 400
             */
            status: number;
            /**
             * @description The cause in this request. Never contains values that were sent.
             * @example `locale` has an invalid format.
             */
            detail: string;
            code: components["schemas"]["ErrorCode"];
            /**
             * @description Also in `x-request-id`. Report it to the operator.
             * @example 6f1b2c9e-8a64-4d1b-9a57-0f3f1f0f7f11
             */
            requestId: string;
            /** @description The invalid fields. */
            errors?: components["schemas"]["FieldError"][];
            /**
             * @description With `invalid_state`: the status of the verification.
             * @example canceled
             */
            verificationStatus?: string;
            /**
             * @description With `verification_in_progress`: the live verification.
             * @example ver_Yd0cA4o5jCkYlY2xXzVb7QBmJ2kQhQ
             */
            verificationId?: string;
            /**
             * @description With `code_incorrect`: how many tries are left.
             * @example 4
             */
            attemptsRemaining?: number;
        };
        /**
         * Profile
         * @description The user's profile from the provider, without control characters. An absent member is unknown.
         */
        Profile: {
            name?: components["schemas"]["PersonName"];
            /**
             * @description E-mail address, not verified by this gateway.
             * @example ada@example.com
             */
            email?: string;
            /**
             * @description In the spelling of the provider.
             * @example F
             */
            gender?: string;
            /**
             * @description Picture of the user: an https URL.
             * @example https://www.example.com/avatars/3
             */
            avatarUrl?: string;
            /**
             * @description Employer of the user.
             * @example Example Ltd
             */
            company?: string;
            /**
             * @description Job title of the user.
             * @example Engineer
             */
            jobTitle?: string;
            /**
             * @description The user's own description.
             * @example Likes mountains.
             */
            about?: string;
            /**
             * @description Home page of the user: an https URL.
             * @example https://www.example.com
             */
            url?: string;
            /** @description Postal addresses. */
            addresses?: components["schemas"]["Address"][];
            /**
             * @description Badges of the provider.
             * @example [
             *       "verified"
             *     ]
             */
            badges?: string[];
        };
        /**
         * Provider
         * @description A configured provider.
         */
        Provider: {
            /**
             * @description Name of the provider.
             * @example truid
             */
            provider: string;
            /** @description The methods that this gateway supports. */
            methods: components["schemas"]["ProviderMethod"][];
            health: components["schemas"]["ProviderHealth"];
        };
        /**
         * ProviderFailure
         * @description A failed call.
         */
        ProviderFailure: {
            /**
             * Format: date-time
             * @description When the call failed.
             * @example 2026-03-01T12:00:00.000Z
             */
            at: string;
            reason: components["schemas"]["Reason"];
            /** @description What the provider itself answered. Null when that is not known. */
            vendor: components["schemas"]["VendorAnswer"] | null;
        };
        /**
         * ProviderHealth
         * @description Health as all processes see it, a few seconds late.
         */
        ProviderHealth: {
            breaker: components["schemas"]["BreakerState"];
            /**
             * @description Fraction of the recent verifications for which the provider failed, 0 to 1.
             * @example 0
             */
            errorRate: number;
            /** @description The last successful call. */
            lastSuccessAt: string | null;
            /** @description The last failed call. */
            lastFailure: components["schemas"]["ProviderFailure"] | null;
        };
        /**
         * ProviderList
         * @description The configured providers.
         */
        ProviderList: {
            /** @description The providers that have credentials. */
            data: components["schemas"]["Provider"][];
            /** @description The list is always complete. */
            nextCursor: null;
        };
        /**
         * ProviderMethod
         * @description A method, and what it needs.
         */
        ProviderMethod: {
            method: components["schemas"]["Method"];
            /**
             * @description What the method costs the user, to complete "The user …".
             * @example opens a URL over mobile data
             */
            userStep: string;
            /** @description False: the method discovers the number, or does not need it. */
            needsPhoneNumber: boolean;
            /** @description True: the method cannot start without a `returnUrl`. */
            needsReturnUrl: boolean;
            /** @description The evidence that `check` accepts. Empty if only the provider's callback completes the method. */
            evidence: components["schemas"]["EvidenceKind"][];
            /**
             * @description The types of `nextAction` that the method uses.
             * @example [
             *       "openUrlOnCellular"
             *     ]
             */
            nextActions: string[];
            assurance: components["schemas"]["Assurance"];
            /** @description As in `assurance`. */
            restricted: boolean;
            /** @description The method sends something to a person: a code, a link, a call or a push. */
            sendsMessage: boolean;
            /** @description Null: the same attempt cannot be sent again. */
            resend: components["schemas"]["ResendRule"] | null;
        };
        /**
         * Readiness
         * @description Does not depend on providers: `GET /providers` reports their outages.
         */
        Readiness: {
            /**
             * @description Whether to send traffic.
             * @enum {string}
             */
            status: "ready" | "unavailable";
            checks: components["schemas"]["ReadinessChecks"];
        };
        /**
         * ReadinessChecks
         * @description Result of each check.
         */
        ReadinessChecks: {
            /**
             * @description Whether Redis runs the scripts of the gateway.
             * @enum {string}
             */
            redis: "ok" | "unreachable";
            /**
             * @description `none`: this process runs no jobs.
             * @enum {string}
             */
            workers: "ok" | "stopped" | "none";
            /**
             * @description `slow`: its last timer of a second was more than a second late.
             * @enum {string}
             */
            eventLoop: "ok" | "slow";
            /** @description The process is about to stop. */
            draining: boolean;
        };
        /**
         * Reason
         * @description Why it ended. Separate from the error codes; more may be added.
         *
         *     - `number_mismatch`: Another number than the requested one was proven.
         *     - `user_rejected`: The user refused.
         *     - `code_attempts_exhausted`: Too many wrong codes were submitted.
         *     - `app_not_installed`: The app that the method needs is not on the device.
         *     - `not_on_cellular`: The device is not on mobile data.
         *     - `carrier_unsupported`: The carrier of the number does not support the method.
         *     - `number_not_registered`: The number has no account with the provider.
         *     - `device_mismatch`: The user completed the attempt on another device than the one that started it.
         *     - `recently_tried`: The method was used for this number too recently.
         *     - `attempt_timeout`: The attempt timed out before the user did their part.
         *     - `abandoned`: The front end gave up the attempt.
         *     - `evidence_invalid`: The evidence proves nothing, or less than `minAssurance`.
         *     - `evidence_expired`: The submitted evidence is too old.
         *     - `provider_timeout`: The provider did not answer, or did not judge the user's evidence, in time.
         *     - `provider_error`: The provider answered with an error.
         *     - `provider_bad_response`: The provider sent a response that it does not document.
         *     - `rate_limited_by_provider`: The provider accepts no more requests at the moment.
         *     - `provider_misconfigured`: The provider rejects the credentials, or the account has no credit. The operator has to fix it.
         *     - `provider_unavailable`: No method is left, and a provider is the cause.
         *     - `deadline`: `expiresAt` passed.
         *     - `app_canceled`: The app canceled the verification.
         *     - `superseded`: A newer verification of the number replaced this one.
         *     - `blocked`: A policy forbids the verification.
         */
        Reason: components["schemas"]["KnownReason"] | (string & {});
        /**
         * ResendRule
         * @description When the same attempt can be sent again.
         */
        ResendRule: {
            /**
             * @description Not earlier than this.
             * @example 30
             */
            afterSeconds: number;
            /**
             * @description At most this often.
             * @example 2
             */
            times: number;
        };
        /**
         * Result
         * @description What was proven.
         */
        Result: {
            /**
             * @description The proven number, E.164; masked for a client secret.
             * @example +14155550100
             */
            phoneNumber: string;
            method: components["schemas"]["Method"];
            /**
             * @description The part of the method before the dot.
             * @example truid
             */
            provider: string;
            /**
             * Format: date-time
             * @description When the number was proven.
             * @example 2026-03-01T12:00:00.000Z
             */
            verifiedAt: string;
            /** @description Stored only for apps with `includeProfile`; null for a client secret. */
            profile: components["schemas"]["Profile"] | null;
            /** @description Risk signals; null if the provider sends none, and for a client secret. */
            signals: {
                [key: string]: unknown;
            } | null;
            assurance: components["schemas"]["Assurance"];
        };
        /**
         * SubmitCodeAction
         * @description Ask the user for the code and submit it with `check`.
         */
        SubmitCodeAction: {
            /** @constant */
            type: "submitCode";
            /**
             * @description Number of digits of the code.
             * @example 6
             */
            length: number;
            /**
             * @description The channels of the message.
             * @example [
             *       "SMS"
             *     ]
             */
            channels: string[];
            /**
             * @description How many wrong codes are still allowed.
             * @example 5
             */
            attemptsRemaining?: number;
            autofill?: components["schemas"]["Autofill"];
            /**
             * Format: date-time
             * @description When the attempt expires.
             * @example 2026-03-01T12:00:00.000Z
             */
            expiresAt: string;
        };
        /**
         * SubmitTokenAction
         * @description Run the SDK and submit its result with `check`.
         */
        SubmitTokenAction: {
            /** @constant */
            type: "submitToken";
            /**
             * @description The SDK to run.
             * @example otpless
             */
            sdk: string;
            /**
             * @description Parameters of the SDK: public ids, nonce or state.
             * @example {
             *       "appId": "YOUR_APP_ID"
             *     }
             */
            params: {
                [key: string]: string;
            };
            /**
             * Format: date-time
             * @description When the attempt expires.
             * @example 2026-03-01T12:00:00.000Z
             */
            expiresAt: string;
        };
        /**
         * TestData
         * @description The receiving app.
         */
        TestData: {
            /** @description Id of the app. */
            app: string;
        };
        /**
         * TokenEvidence
         * @description For `submitToken`.
         */
        TokenEvidence: {
            /**
             * @description The token of the front-end SDK.
             * @example 7f4c2a9be0d14c6f8a35b1e09d7c4f62
             */
            token: string;
        };
        /**
         * VendorAnswer
         * @description What the provider itself answered.
         */
        VendorAnswer: {
            /** @description HTTP status. Null without an answer. */
            status: number | null;
            /** @description The provider's own code. Without an answer that of the connection, such as `ENOTFOUND`. */
            code: string | null;
            /** @description The provider's own text, for people. What may be a number, an address or a secret is `[hidden]`. */
            text: string | null;
        };
        /**
         * Verification
         * @description One lifecycle for all providers. Ignore unknown members: more may be added.
         */
        Verification: {
            /**
             * @description Unguessable and URL-safe.
             * @example ver_Yd0cA4o5jCkYlY2xXzVb7QBmJ2kQhQ
             */
            id: string;
            status: components["schemas"]["VerificationStatus"];
            /** @description True if and only if `status` is `verified`: the number was proven. */
            verified: boolean;
            /** @description Set when the status is failed, expired or canceled. */
            reason: components["schemas"]["Reason"] | null;
            /** @description E.164. Null until a discovery method returns the number; masked for a client secret. */
            phoneNumber: string | null;
            /** @description The app's own id; null for a client secret. */
            reference: string | null;
            /**
             * @description Returned unchanged; empty for a client secret.
             * @example {
             *       "plan": "pro"
             *     }
             */
            metadata: {
                [key: string]: string;
            };
            /** @description What the front end must do now. Null when final. */
            nextAction: components["schemas"]["NextAction"] | null;
            /** @description What else the front end may do, and the earliest time for it. */
            availableActions: components["schemas"]["AvailableAction"][];
            /** @description The methods in the order in which they are tried. */
            workflow: components["schemas"]["WorkflowStep"][];
            /** @description The attempts, oldest first: attempt number i uses item i of the workflow. */
            attempts: components["schemas"]["Attempt"][];
            /** @description Set when the status is verified. */
            result: components["schemas"]["Result"] | null;
            /**
             * @description Incremented with every visible change. Ignore a state whose revision is not above the last one you read.
             * @example 3
             */
            revision: number;
            /**
             * Format: date-time
             * @description When the verification was created.
             * @example 2026-03-01T12:00:00.000Z
             */
            createdAt: string;
            /**
             * Format: date-time
             * @description When it last changed.
             * @example 2026-03-01T12:00:00.000Z
             */
            updatedAt: string;
            /**
             * Format: date-time
             * @description When it expires.
             * @example 2026-03-01T12:00:00.000Z
             */
            expiresAt: string;
        };
        /**
         * VerificationActionRequiredEvent
         * @description Body of `verification.action_required`.
         */
        VerificationActionRequiredEvent: {
            /**
             * @description Type of the event.
             * @constant
             */
            type: "verification.action_required";
            /**
             * Format: date-time
             * @description When the event occurred.
             */
            timestamp: string;
            data: components["schemas"]["Verification"];
        };
        /**
         * VerificationCanceledEvent
         * @description Body of `verification.canceled`.
         */
        VerificationCanceledEvent: {
            /**
             * @description Type of the event.
             * @constant
             */
            type: "verification.canceled";
            /**
             * Format: date-time
             * @description When the event occurred.
             */
            timestamp: string;
            data: components["schemas"]["Verification"];
        };
        /**
         * VerificationCreatedEvent
         * @description Body of `verification.created`.
         */
        VerificationCreatedEvent: {
            /**
             * @description Type of the event.
             * @constant
             */
            type: "verification.created";
            /**
             * Format: date-time
             * @description When the event occurred.
             */
            timestamp: string;
            data: components["schemas"]["Verification"];
        };
        /**
         * VerificationExpiredEvent
         * @description Body of `verification.expired`.
         */
        VerificationExpiredEvent: {
            /**
             * @description Type of the event.
             * @constant
             */
            type: "verification.expired";
            /**
             * Format: date-time
             * @description When the event occurred.
             */
            timestamp: string;
            data: components["schemas"]["Verification"];
        };
        /**
         * VerificationFailedEvent
         * @description Body of `verification.failed`.
         */
        VerificationFailedEvent: {
            /**
             * @description Type of the event.
             * @constant
             */
            type: "verification.failed";
            /**
             * Format: date-time
             * @description When the event occurred.
             */
            timestamp: string;
            data: components["schemas"]["Verification"];
        };
        /**
         * VerificationList
         * @description The verifications that a search has found.
         */
        VerificationList: {
            /** @description Newest first. */
            data: components["schemas"]["FoundVerification"][];
            /** @description Send it as `cursor` to get the next page. Null on the last page. */
            nextCursor: string | null;
        };
        /**
         * VerificationStatus
         * @description All but `pending` are final and never change.
         * @enum {string}
         */
        VerificationStatus: "pending" | "verified" | "failed" | "expired" | "canceled";
        /**
         * VerificationVerifiedEvent
         * @description Body of `verification.verified`.
         */
        VerificationVerifiedEvent: {
            /**
             * @description Type of the event.
             * @constant
             */
            type: "verification.verified";
            /**
             * Format: date-time
             * @description When the event occurred.
             */
            timestamp: string;
            data: components["schemas"]["Verification"];
        };
        /**
         * WaitAction
         * @description No action: the attempt is being started, or evidence is being checked. Read the verification with `wait`.
         */
        WaitAction: {
            /** @constant */
            type: "wait";
            /**
             * Format: date-time
             * @description When the attempt expires.
             * @example 2026-03-01T12:00:00.000Z
             */
            expiresAt: string;
        };
        /**
         * WebhookTestEvent
         * @description Body of `webhook.test`.
         */
        WebhookTestEvent: {
            /**
             * @description Type of the event.
             * @constant
             */
            type: "webhook.test";
            /**
             * Format: date-time
             * @description When the event occurred.
             */
            timestamp: string;
            data: components["schemas"]["TestData"];
        };
        /**
         * WorkflowItem
         * @description A method with a timeout or options.
         */
        WorkflowItem: {
            method: components["schemas"]["Method"];
            /**
             * @description Timeout of the attempt. The default depends on the method; `expiresAt` is the upper limit.
             * @example 300
             */
            timeoutSeconds?: number;
            /**
             * @description Options of the method: `channels` and `codeLength` of `otpless.otp`, `version` of `truid.phone_check`, the appearance of `truecaller.web`. With every method, `continueWhenRejected: true` continues with the next item when the user refuses.
             * @example {
             *       "channels": [
             *         "SMS"
             *       ],
             *       "codeLength": 6
             *     }
             */
            options?: {
                [key: string]: string | number | boolean | string[];
            };
        };
        /**
         * WorkflowStep
         * @description One method of the workflow.
         */
        WorkflowStep: {
            method: components["schemas"]["Method"];
            /**
             * @description Timeout of the attempt.
             * @example 60
             */
            timeoutSeconds: number;
        };
    };
    responses: {
        /**
         * @description Forbidden
         *
         *     - `forbidden`: The key lacks a scope, or a client secret was sent to a call that accepts API keys only. Use a key that has the scope named in `detail`.
         */
        Forbidden: {
            headers: {
                "x-request-id": components["headers"]["RequestId"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /**
         * @description Gone
         *
         *     - `gone`: This gateway issued the id, but the verification was erased or its retention has passed. Store what you need of an outcome when you read it; create a new verification.
         */
        Gone: {
            headers: {
                "x-request-id": components["headers"]["RequestId"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /**
         * @description Internal Server Error
         *
         *     - `internal_error`: The gateway has a fault. Its log has an entry with the `requestId`. Retry with the same Idempotency-Key; report the `requestId` to the operator.
         */
        InternalError: {
            headers: {
                "x-request-id": components["headers"]["RequestId"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /**
         * @description Unprocessable Entity
         *
         *     - `invalid_phone_number`: `phoneNumber` is not E.164, or has a length that does not exist in its country. Send E.164 with a leading `+`, for example `+14155550100`.
         */
        InvalidPhoneNumber: {
            headers: {
                "x-request-id": components["headers"]["RequestId"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /**
         * @description Bad Request
         *
         *     - `invalid_request`: A field, parameter or header is missing, unknown or malformed, the body is not JSON, or the message is not valid HTTP. Correct the fields named in `errors` and send the request again.
         */
        InvalidRequest: {
            headers: {
                "x-request-id": components["headers"]["RequestId"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /**
         * @description Conflict
         *
         *     - `invalid_state`: The request does not fit the present state: the verification has ended, other evidence is expected, or the app has no webhook. Read the verification: `verificationStatus` is its present status.
         */
        InvalidState: {
            headers: {
                "x-request-id": components["headers"]["RequestId"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /**
         * @description Not Found
         *
         *     - `not_found`: Nothing with this name exists, or it belongs to another app. Check the path and the id.
         */
        NotFound: {
            headers: {
                "x-request-id": components["headers"]["RequestId"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /**
         * @description Service Unavailable
         *
         *     - `overloaded`: The process is stopping, has more requests than it can serve in time, or could not finish in time. Retry after `Retry-After` seconds.
         *     - `store_unavailable`: Redis did not answer. The request may have been carried out, or not. Retry after `Retry-After` seconds with the same Idempotency-Key.
         */
        OverloadedOrStoreUnavailable: {
            headers: {
                "x-request-id": components["headers"]["RequestId"];
                "retry-after": components["headers"]["RetryAfter"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /**
         * @description Payload Too Large
         *
         *     - `payload_too_large`: The body is larger than 64 KiB. Send a body of at most 64 KiB.
         */
        PayloadTooLarge: {
            headers: {
                "x-request-id": components["headers"]["RequestId"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /**
         * @description Too Many Requests
         *
         *     - `rate_limited`: A limit was reached: of the app, of the number, or of how soon and how often the call may be repeated. Retry after `Retry-After` seconds.
         */
        RateLimited: {
            headers: {
                "x-request-id": components["headers"]["RequestId"];
                "retry-after": components["headers"]["RetryAfter"];
                ratelimit: components["headers"]["RateLimit"];
                "ratelimit-policy": components["headers"]["RateLimitPolicy"];
                "ratelimit-limit": components["headers"]["RateLimitLimit"];
                "ratelimit-remaining": components["headers"]["RateLimitRemaining"];
                "ratelimit-reset": components["headers"]["RateLimitReset"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /**
         * @description Unauthorized
         *
         *     - `unauthenticated`: `Authorization` is missing, is not a bearer token, or contains an unknown key or secret. Send `Authorization: Bearer <API key>` (or the client secret on the calls that accept it).
         */
        Unauthenticated: {
            headers: {
                "x-request-id": components["headers"]["RequestId"];
                "www-authenticate": components["headers"]["Authenticate"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /**
         * @description Unsupported Media Type
         *
         *     - `unsupported_media_type`: The body is not declared as JSON. Send `application/json`.
         */
        UnsupportedMediaType: {
            headers: {
                "x-request-id": components["headers"]["RequestId"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
    };
    parameters: never;
    requestBodies: never;
    headers: {
        /** @description Id of the request in the log of the gateway: the caller's own `x-request-id`, if it sent one that looks like an id. */
        RequestId: string;
        /** @description Seconds to wait before the next try. */
        RetryAfter: number;
        /** @description How to authenticate: `Bearer`. */
        Authenticate: string;
        /** @description Requests left (`r`) of each limit, and the seconds until its next window (`t`). On every response to a caller with a limit. A structured field of draft-ietf-httpapi-ratelimit-headers-10. */
        RateLimit: string;
        /** @description Requests (`q`) that each limit allows in a window of `w` seconds. On every response to a caller with a limit. */
        RateLimitPolicy: string;
        /**
         * @deprecated
         * @description Use `ratelimit-policy`: this header will be removed. On every response to a caller with a limit.
         */
        RateLimitLimit: number;
        /**
         * @deprecated
         * @description Use `ratelimit`: this header will be removed. On every response to a caller with a limit.
         */
        RateLimitRemaining: number;
        /**
         * @deprecated
         * @description Use `ratelimit`: this header will be removed. On every response to a caller with a limit.
         */
        RateLimitReset: number;
    };
    pathItems: never;
}
export type ActionName = components['schemas']['ActionName'];
export type Address = components['schemas']['Address'];
export type AnswerCallAction = components['schemas']['AnswerCallAction'];
export type ApproveOnDeviceAction = components['schemas']['ApproveOnDeviceAction'];
export type Assurance = components['schemas']['Assurance'];
export type AssuranceLevel = components['schemas']['AssuranceLevel'];
export type Attempt = components['schemas']['Attempt'];
export type AttemptStatus = components['schemas']['AttemptStatus'];
export type AuthorizationCodeEvidence = components['schemas']['AuthorizationCodeEvidence'];
export type Autofill = components['schemas']['Autofill'];
export type AvailableAction = components['schemas']['AvailableAction'];
export type Binding = components['schemas']['Binding'];
export type BreakerState = components['schemas']['BreakerState'];
export type CodeEvidence = components['schemas']['CodeEvidence'];
export type Cost = components['schemas']['Cost'];
export type CreateVerification = components['schemas']['CreateVerification'];
export type CreatedVerification = components['schemas']['CreatedVerification'];
export type Delivery = components['schemas']['Delivery'];
export type DeliveryError = components['schemas']['DeliveryError'];
export type DeliveryList = components['schemas']['DeliveryList'];
export type DeliveryStatus = components['schemas']['DeliveryStatus'];
export type DeliveryTry = components['schemas']['DeliveryTry'];
export type Device = components['schemas']['Device'];
export type Eligibility = components['schemas']['Eligibility'];
export type EligibilityList = components['schemas']['EligibilityList'];
export type EligibilityQuestion = components['schemas']['EligibilityQuestion'];
export type EmptyBody = components['schemas']['EmptyBody'];
export type ErrorCode = components['schemas']['ErrorCode'];
export type Evidence = components['schemas']['Evidence'];
export type EvidenceKind = components['schemas']['EvidenceKind'];
export type FieldError = components['schemas']['FieldError'];
export type FoundVerification = components['schemas']['FoundVerification'];
export type IneligibilityReason = components['schemas']['IneligibilityReason'];
export type KnownActionName = components['schemas']['KnownActionName'];
export type KnownBinding = components['schemas']['KnownBinding'];
export type KnownDeliveryError = components['schemas']['KnownDeliveryError'];
export type KnownErrorCode = components['schemas']['KnownErrorCode'];
export type KnownEvidenceKind = components['schemas']['KnownEvidenceKind'];
export type KnownIneligibilityReason = components['schemas']['KnownIneligibilityReason'];
export type KnownMessageStatus = components['schemas']['KnownMessageStatus'];
export type KnownPossession = components['schemas']['KnownPossession'];
export type KnownReason = components['schemas']['KnownReason'];
export type Liveness = components['schemas']['Liveness'];
export type LivenessChecks = components['schemas']['LivenessChecks'];
export type MessageReceipt = components['schemas']['MessageReceipt'];
export type MessageStatus = components['schemas']['MessageStatus'];
export type Method = components['schemas']['Method'];
export type NextAction = components['schemas']['NextAction'];
export type NextAttempt = components['schemas']['NextAttempt'];
export type NextReason = components['schemas']['NextReason'];
export type NoEvidence = components['schemas']['NoEvidence'];
export type OnConflict = components['schemas']['OnConflict'];
export type OpenDeepLinkAction = components['schemas']['OpenDeepLinkAction'];
export type OpenMessageLinkAction = components['schemas']['OpenMessageLinkAction'];
export type OpenUrlAction = components['schemas']['OpenUrlAction'];
export type OpenUrlOnCellularAction = components['schemas']['OpenUrlOnCellularAction'];
export type PayloadEvidence = components['schemas']['PayloadEvidence'];
export type PersonName = components['schemas']['PersonName'];
export type Possession = components['schemas']['Possession'];
export type Problem = components['schemas']['Problem'];
export type Profile = components['schemas']['Profile'];
export type Provider = components['schemas']['Provider'];
export type ProviderFailure = components['schemas']['ProviderFailure'];
export type ProviderHealth = components['schemas']['ProviderHealth'];
export type ProviderList = components['schemas']['ProviderList'];
export type ProviderMethod = components['schemas']['ProviderMethod'];
export type Readiness = components['schemas']['Readiness'];
export type ReadinessChecks = components['schemas']['ReadinessChecks'];
export type Reason = components['schemas']['Reason'];
export type ResendRule = components['schemas']['ResendRule'];
export type Result = components['schemas']['Result'];
export type SubmitCodeAction = components['schemas']['SubmitCodeAction'];
export type SubmitTokenAction = components['schemas']['SubmitTokenAction'];
export type TestData = components['schemas']['TestData'];
export type TokenEvidence = components['schemas']['TokenEvidence'];
export type VendorAnswer = components['schemas']['VendorAnswer'];
export type Verification = components['schemas']['Verification'];
export type VerificationActionRequiredEvent = components['schemas']['VerificationActionRequiredEvent'];
export type VerificationCanceledEvent = components['schemas']['VerificationCanceledEvent'];
export type VerificationCreatedEvent = components['schemas']['VerificationCreatedEvent'];
export type VerificationExpiredEvent = components['schemas']['VerificationExpiredEvent'];
export type VerificationFailedEvent = components['schemas']['VerificationFailedEvent'];
export type VerificationList = components['schemas']['VerificationList'];
export type VerificationStatus = components['schemas']['VerificationStatus'];
export type VerificationVerifiedEvent = components['schemas']['VerificationVerifiedEvent'];
export type WaitAction = components['schemas']['WaitAction'];
export type WebhookTestEvent = components['schemas']['WebhookTestEvent'];
export type WorkflowItem = components['schemas']['WorkflowItem'];
export type WorkflowStep = components['schemas']['WorkflowStep'];
export type HeaderRequestId = components['headers']['RequestId'];
export type HeaderRetryAfter = components['headers']['RetryAfter'];
export type HeaderAuthenticate = components['headers']['Authenticate'];
export type HeaderRateLimit = components['headers']['RateLimit'];
export type HeaderRateLimitPolicy = components['headers']['RateLimitPolicy'];
export type HeaderRateLimitLimit = components['headers']['RateLimitLimit'];
export type HeaderRateLimitRemaining = components['headers']['RateLimitRemaining'];
export type HeaderRateLimitReset = components['headers']['RateLimitReset'];
export type $defs = Record<string, never>;
export interface operations {
    listVerifications: {
        parameters: {
            query?: {
                /** @description The app's own id, compared exactly. For example `signup-8842`. */
                reference?: string;
                /** @description E.164 with `+`, encoded as `%2B` in a URL. For example `+14155550100`. */
                phoneNumber?: string;
                /** @description Maximum number of items. For example `20`. */
                limit?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The verifications, at most `limit`. */
            200: {
                headers: {
                    "x-request-id": components["headers"]["RequestId"];
                    ratelimit: components["headers"]["RateLimit"];
                    "ratelimit-policy": components["headers"]["RateLimitPolicy"];
                    "ratelimit-limit": components["headers"]["RateLimitLimit"];
                    "ratelimit-remaining": components["headers"]["RateLimitRemaining"];
                    "ratelimit-reset": components["headers"]["RateLimitReset"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["VerificationList"];
                };
            };
            400: components["responses"]["InvalidRequest"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            422: components["responses"]["InvalidPhoneNumber"];
            429: components["responses"]["RateLimited"];
            500: components["responses"]["InternalError"];
            503: components["responses"]["OverloadedOrStoreUnavailable"];
        };
    };
    createVerification: {
        parameters: {
            query?: never;
            header?: {
                /** @description Up to 255 visible ASCII characters, stored for 24 hours. The same key with the same body returns the same verification. For example `signup-8842`. */
                "idempotency-key"?: string;
            };
            path?: never;
            cookie?: never;
        };
        /** @description What to verify, and how. An unknown member is an error that names the member. */
        requestBody: {
            content: {
                "application/json": components["schemas"]["CreateVerification"];
            };
        };
        responses: {
            /** @description Created, or found by its Idempotency-Key. */
            201: {
                headers: {
                    /** @description Path of the verification. */
                    location?: string;
                    "x-request-id": components["headers"]["RequestId"];
                    ratelimit: components["headers"]["RateLimit"];
                    "ratelimit-policy": components["headers"]["RateLimitPolicy"];
                    "ratelimit-limit": components["headers"]["RateLimitLimit"];
                    "ratelimit-remaining": components["headers"]["RateLimitRemaining"];
                    "ratelimit-reset": components["headers"]["RateLimitReset"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["CreatedVerification"];
                };
            };
            400: components["responses"]["InvalidRequest"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            /**
             * @description Conflict
             *
             *     - `verification_in_progress`: The app already has a live verification of this number. It is not returned to a second caller, because that caller may act for a different person. Wait for `verificationId`, cancel it, or create with `onConflict: "replace"`.
             *     - `idempotency_in_progress`: The same request was sent again before the first one was finished. Retry after `Retry-After` seconds with the same key.
             */
            409: {
                headers: {
                    "x-request-id": components["headers"]["RequestId"];
                    "retry-after": components["headers"]["RetryAfter"];
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            413: components["responses"]["PayloadTooLarge"];
            415: components["responses"]["UnsupportedMediaType"];
            /**
             * @description Unprocessable Entity
             *
             *     - `invalid_phone_number`: `phoneNumber` is not E.164, or has a length that does not exist in its country. Send E.164 with a leading `+`, for example `+14155550100`.
             *     - `method_unavailable`: The workflow names a method that is unknown, or whose provider is not configured. Choose from `GET /providers`.
             *     - `no_eligible_method`: Every method of the workflow needs a phone number or a `returnUrl` that was not given, no configured method can start, none reaches `minAssurance`, or the number is a test number and none takes a typed code. Give what `errors` names, a workflow with a method that can serve the request, or a lower `minAssurance`.
             *     - `idempotency_key_reused`: Within 24 hours the key was used with another body. Use a new key for a new request.
             *     - `country_not_allowed`: The app's `allowedCountries` or `deniedCountries` exclude the country of the number. The operator decides which countries an app may verify.
             *     - `number_type_not_allowed`: The number is of a type such as premium rate or satellite, which the app's `allowedNumberTypes` do not list, and every method that could start sends a message. Ask for the number of a phone, or use a workflow with a silent method.
             */
            422: {
                headers: {
                    "x-request-id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            429: components["responses"]["RateLimited"];
            500: components["responses"]["InternalError"];
            503: components["responses"]["OverloadedOrStoreUnavailable"];
        };
    };
    getVerification: {
        parameters: {
            query?: {
                /** @description Seconds to wait for a change (long poll). For example `25`. */
                wait?: number;
                /** @description The last revision the caller read. A newer one is returned immediately. For example `3`. */
                revision?: number;
            };
            header?: never;
            path: {
                /** @description Id of the verification. For example `ver_Yd0cA4o5jCkYlY2xXzVb7QBmJ2kQhQ`. */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The current state. */
            200: {
                headers: {
                    "x-request-id": components["headers"]["RequestId"];
                    ratelimit: components["headers"]["RateLimit"];
                    "ratelimit-policy": components["headers"]["RateLimitPolicy"];
                    "ratelimit-limit": components["headers"]["RateLimitLimit"];
                    "ratelimit-remaining": components["headers"]["RateLimitRemaining"];
                    "ratelimit-reset": components["headers"]["RateLimitReset"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Verification"];
                };
            };
            400: components["responses"]["InvalidRequest"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            410: components["responses"]["Gone"];
            429: components["responses"]["RateLimited"];
            500: components["responses"]["InternalError"];
            503: components["responses"]["OverloadedOrStoreUnavailable"];
        };
    };
    eraseVerification: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description Id of the verification. For example `ver_Yd0cA4o5jCkYlY2xXzVb7QBmJ2kQhQ`. */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Erased. */
            204: {
                headers: {
                    "x-request-id": components["headers"]["RequestId"];
                    ratelimit: components["headers"]["RateLimit"];
                    "ratelimit-policy": components["headers"]["RateLimitPolicy"];
                    "ratelimit-limit": components["headers"]["RateLimitLimit"];
                    "ratelimit-remaining": components["headers"]["RateLimitRemaining"];
                    "ratelimit-reset": components["headers"]["RateLimitReset"];
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: components["responses"]["InvalidRequest"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            410: components["responses"]["Gone"];
            429: components["responses"]["RateLimited"];
            500: components["responses"]["InternalError"];
            503: components["responses"]["OverloadedOrStoreUnavailable"];
        };
    };
    checkVerification: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description Id of the verification. For example `ver_Yd0cA4o5jCkYlY2xXzVb7QBmJ2kQhQ`. */
                id: string;
            };
            cookie?: never;
        };
        /** @description Exactly one kind of evidence. An absent body is `{}`. */
        requestBody?: {
            content: {
                "application/json": components["schemas"]["Evidence"];
            };
        };
        responses: {
            /** @description Checked. Read `status`: it may be verified, failed, or pending with another method. */
            200: {
                headers: {
                    "x-request-id": components["headers"]["RequestId"];
                    ratelimit: components["headers"]["RateLimit"];
                    "ratelimit-policy": components["headers"]["RateLimitPolicy"];
                    "ratelimit-limit": components["headers"]["RateLimitLimit"];
                    "ratelimit-remaining": components["headers"]["RateLimitRemaining"];
                    "ratelimit-reset": components["headers"]["RateLimitReset"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Verification"];
                };
            };
            /** @description The check is still in progress. Read the result with `wait`. */
            202: {
                headers: {
                    "x-request-id": components["headers"]["RequestId"];
                    ratelimit: components["headers"]["RateLimit"];
                    "ratelimit-policy": components["headers"]["RateLimitPolicy"];
                    "ratelimit-limit": components["headers"]["RateLimitLimit"];
                    "ratelimit-remaining": components["headers"]["RateLimitRemaining"];
                    "ratelimit-reset": components["headers"]["RateLimitReset"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Verification"];
                };
            };
            400: components["responses"]["InvalidRequest"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            409: components["responses"]["InvalidState"];
            410: components["responses"]["Gone"];
            413: components["responses"]["PayloadTooLarge"];
            415: components["responses"]["UnsupportedMediaType"];
            /**
             * @description Unprocessable Entity
             *
             *     - `code_incorrect`: The provider rejected the code. After the last allowed try the attempt ends and the workflow continues. Ask the user again while `attemptsRemaining` is above zero.
             */
            422: {
                headers: {
                    "x-request-id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            429: components["responses"]["RateLimited"];
            500: components["responses"]["InternalError"];
            503: components["responses"]["OverloadedOrStoreUnavailable"];
        };
    };
    startNextAttempt: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description Id of the verification. For example `ver_Yd0cA4o5jCkYlY2xXzVb7QBmJ2kQhQ`. */
                id: string;
            };
            cookie?: never;
        };
        /** @description Why the next attempt starts. */
        requestBody?: {
            content: {
                "application/json": components["schemas"]["NextAttempt"];
            };
        };
        responses: {
            /** @description The next method started, or no method is left. */
            200: {
                headers: {
                    "x-request-id": components["headers"]["RequestId"];
                    ratelimit: components["headers"]["RateLimit"];
                    "ratelimit-policy": components["headers"]["RateLimitPolicy"];
                    "ratelimit-limit": components["headers"]["RateLimitLimit"];
                    "ratelimit-remaining": components["headers"]["RateLimitRemaining"];
                    "ratelimit-reset": components["headers"]["RateLimitReset"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Verification"];
                };
            };
            400: components["responses"]["InvalidRequest"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            409: components["responses"]["InvalidState"];
            410: components["responses"]["Gone"];
            413: components["responses"]["PayloadTooLarge"];
            415: components["responses"]["UnsupportedMediaType"];
            429: components["responses"]["RateLimited"];
            500: components["responses"]["InternalError"];
            503: components["responses"]["OverloadedOrStoreUnavailable"];
        };
    };
    resendMessage: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description Id of the verification. For example `ver_Yd0cA4o5jCkYlY2xXzVb7QBmJ2kQhQ`. */
                id: string;
            };
            cookie?: never;
        };
        /** @description No members; the body may be absent. */
        requestBody?: {
            content: {
                "application/json": components["schemas"]["EmptyBody"];
            };
        };
        responses: {
            /** @description Sent again. */
            200: {
                headers: {
                    "x-request-id": components["headers"]["RequestId"];
                    ratelimit: components["headers"]["RateLimit"];
                    "ratelimit-policy": components["headers"]["RateLimitPolicy"];
                    "ratelimit-limit": components["headers"]["RateLimitLimit"];
                    "ratelimit-remaining": components["headers"]["RateLimitRemaining"];
                    "ratelimit-reset": components["headers"]["RateLimitReset"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Verification"];
                };
            };
            400: components["responses"]["InvalidRequest"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            409: components["responses"]["InvalidState"];
            410: components["responses"]["Gone"];
            413: components["responses"]["PayloadTooLarge"];
            415: components["responses"]["UnsupportedMediaType"];
            429: components["responses"]["RateLimited"];
            500: components["responses"]["InternalError"];
            /**
             * @description Service Unavailable
             *
             *     - `overloaded`: The process is stopping, has more requests than it can serve in time, or could not finish in time. Retry after `Retry-After` seconds.
             *     - `provider_unavailable`: The provider could not be reached. What it sent before remains valid. Retry later.
             *     - `store_unavailable`: Redis did not answer. The request may have been carried out, or not. Retry after `Retry-After` seconds with the same Idempotency-Key.
             */
            503: {
                headers: {
                    "x-request-id": components["headers"]["RequestId"];
                    "retry-after": components["headers"]["RetryAfter"];
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    cancelVerification: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description Id of the verification. For example `ver_Yd0cA4o5jCkYlY2xXzVb7QBmJ2kQhQ`. */
                id: string;
            };
            cookie?: never;
        };
        /** @description No members; the body may be absent. */
        requestBody?: {
            content: {
                "application/json": components["schemas"]["EmptyBody"];
            };
        };
        responses: {
            /** @description Canceled. */
            200: {
                headers: {
                    "x-request-id": components["headers"]["RequestId"];
                    ratelimit: components["headers"]["RateLimit"];
                    "ratelimit-policy": components["headers"]["RateLimitPolicy"];
                    "ratelimit-limit": components["headers"]["RateLimitLimit"];
                    "ratelimit-remaining": components["headers"]["RateLimitRemaining"];
                    "ratelimit-reset": components["headers"]["RateLimitReset"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Verification"];
                };
            };
            400: components["responses"]["InvalidRequest"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            409: components["responses"]["InvalidState"];
            410: components["responses"]["Gone"];
            413: components["responses"]["PayloadTooLarge"];
            415: components["responses"]["UnsupportedMediaType"];
            429: components["responses"]["RateLimited"];
            500: components["responses"]["InternalError"];
            503: components["responses"]["OverloadedOrStoreUnavailable"];
        };
    };
    followVerification: {
        parameters: {
            query?: {
                /** @description Like the header `Last-Event-ID`, for clients that cannot send headers. For example `3`. */
                lastEventId?: number;
            };
            header?: {
                /** @description The last revision the caller received. An `EventSource` sends it when it reconnects. For example `3`. */
                "last-event-id"?: string;
            };
            path: {
                /** @description Id of the verification. For example `ver_Yd0cA4o5jCkYlY2xXzVb7QBmJ2kQhQ`. */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The stream. */
            200: {
                headers: {
                    "x-request-id": components["headers"]["RequestId"];
                    ratelimit: components["headers"]["RateLimit"];
                    "ratelimit-policy": components["headers"]["RateLimitPolicy"];
                    "ratelimit-limit": components["headers"]["RateLimitLimit"];
                    "ratelimit-remaining": components["headers"]["RateLimitRemaining"];
                    "ratelimit-reset": components["headers"]["RateLimitReset"];
                    [name: string]: unknown;
                };
                content: {
                    "text/event-stream": string;
                };
            };
            /** @description The verification is final, and the caller has received the last event. Do not reconnect. */
            204: {
                headers: {
                    "x-request-id": components["headers"]["RequestId"];
                    ratelimit: components["headers"]["RateLimit"];
                    "ratelimit-policy": components["headers"]["RateLimitPolicy"];
                    "ratelimit-limit": components["headers"]["RateLimitLimit"];
                    "ratelimit-remaining": components["headers"]["RateLimitRemaining"];
                    "ratelimit-reset": components["headers"]["RateLimitReset"];
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: components["responses"]["InvalidRequest"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            410: components["responses"]["Gone"];
            429: components["responses"]["RateLimited"];
            500: components["responses"]["InternalError"];
            503: components["responses"]["OverloadedOrStoreUnavailable"];
        };
    };
    checkEligibility: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** @description The number, and the device of its user. */
        requestBody: {
            content: {
                "application/json": components["schemas"]["EligibilityQuestion"];
            };
        };
        responses: {
            /** @description Every configured method. */
            200: {
                headers: {
                    "x-request-id": components["headers"]["RequestId"];
                    ratelimit: components["headers"]["RateLimit"];
                    "ratelimit-policy": components["headers"]["RateLimitPolicy"];
                    "ratelimit-limit": components["headers"]["RateLimitLimit"];
                    "ratelimit-remaining": components["headers"]["RateLimitRemaining"];
                    "ratelimit-reset": components["headers"]["RateLimitReset"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["EligibilityList"];
                };
            };
            400: components["responses"]["InvalidRequest"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            413: components["responses"]["PayloadTooLarge"];
            415: components["responses"]["UnsupportedMediaType"];
            422: components["responses"]["InvalidPhoneNumber"];
            429: components["responses"]["RateLimited"];
            500: components["responses"]["InternalError"];
            503: components["responses"]["OverloadedOrStoreUnavailable"];
        };
    };
    listDeliveries: {
        parameters: {
            query?: {
                /** @description `nextCursor` of the previous page. Absent: the first page. */
                cursor?: string;
                /** @description Maximum number of items. For example `20`. */
                limit?: number;
                /** @description Only deliveries with this status. */
                status?: "pending" | "delivered" | "failed";
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description One page. */
            200: {
                headers: {
                    "x-request-id": components["headers"]["RequestId"];
                    ratelimit: components["headers"]["RateLimit"];
                    "ratelimit-policy": components["headers"]["RateLimitPolicy"];
                    "ratelimit-limit": components["headers"]["RateLimitLimit"];
                    "ratelimit-remaining": components["headers"]["RateLimitRemaining"];
                    "ratelimit-reset": components["headers"]["RateLimitReset"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["DeliveryList"];
                };
            };
            400: components["responses"]["InvalidRequest"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            429: components["responses"]["RateLimited"];
            500: components["responses"]["InternalError"];
            503: components["responses"]["OverloadedOrStoreUnavailable"];
        };
    };
    replayDelivery: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description Id of the delivery. For example `whd_Yd0cA4o5jCkYlY2xXzVb7QBmJ2kQhQ_5`. */
                deliveryId: string;
            };
            cookie?: never;
        };
        /** @description No members; the body may be absent. */
        requestBody?: {
            content: {
                "application/json": components["schemas"]["EmptyBody"];
            };
        };
        responses: {
            /** @description Accepted. The first try follows immediately. */
            202: {
                headers: {
                    "x-request-id": components["headers"]["RequestId"];
                    ratelimit: components["headers"]["RateLimit"];
                    "ratelimit-policy": components["headers"]["RateLimitPolicy"];
                    "ratelimit-limit": components["headers"]["RateLimitLimit"];
                    "ratelimit-remaining": components["headers"]["RateLimitRemaining"];
                    "ratelimit-reset": components["headers"]["RateLimitReset"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Delivery"];
                };
            };
            400: components["responses"]["InvalidRequest"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            409: components["responses"]["InvalidState"];
            413: components["responses"]["PayloadTooLarge"];
            415: components["responses"]["UnsupportedMediaType"];
            429: components["responses"]["RateLimited"];
            500: components["responses"]["InternalError"];
            503: components["responses"]["OverloadedOrStoreUnavailable"];
        };
    };
    testWebhook: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** @description No members; the body may be absent. */
        requestBody?: {
            content: {
                "application/json": components["schemas"]["EmptyBody"];
            };
        };
        responses: {
            /** @description Accepted. The first try follows immediately. */
            202: {
                headers: {
                    "x-request-id": components["headers"]["RequestId"];
                    ratelimit: components["headers"]["RateLimit"];
                    "ratelimit-policy": components["headers"]["RateLimitPolicy"];
                    "ratelimit-limit": components["headers"]["RateLimitLimit"];
                    "ratelimit-remaining": components["headers"]["RateLimitRemaining"];
                    "ratelimit-reset": components["headers"]["RateLimitReset"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Delivery"];
                };
            };
            400: components["responses"]["InvalidRequest"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            409: components["responses"]["InvalidState"];
            413: components["responses"]["PayloadTooLarge"];
            415: components["responses"]["UnsupportedMediaType"];
            429: components["responses"]["RateLimited"];
            500: components["responses"]["InternalError"];
            503: components["responses"]["OverloadedOrStoreUnavailable"];
        };
    };
    returnToFixedUri: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description Name of the provider. For example `truecaller`. */
                provider: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A small page, if there is no `returnUrl`. */
            200: {
                headers: {
                    "x-request-id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "text/html": string;
                };
            };
            /** @description Redirect to the app. */
            303: {
                headers: {
                    /** @description The app's `returnUrl` with the added parameters. */
                    location?: string;
                    "x-request-id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: components["responses"]["InvalidRequest"];
            404: components["responses"]["NotFound"];
            /**
             * @description Too Many Requests
             *
             *     - `rate_limited`: A limit was reached: of the app, of the number, or of how soon and how often the call may be repeated. Retry after `Retry-After` seconds.
             */
            429: {
                headers: {
                    "x-request-id": components["headers"]["RequestId"];
                    "retry-after": components["headers"]["RetryAfter"];
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            500: components["responses"]["InternalError"];
            503: components["responses"]["OverloadedOrStoreUnavailable"];
        };
    };
    receiveCallback: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description Name of the provider. For example `truecaller`. */
                provider: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Accepted. Unknown and late callbacks get the same response. */
            200: {
                headers: {
                    "x-request-id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": Record<string, never>;
                };
            };
            400: components["responses"]["InvalidRequest"];
            404: components["responses"]["NotFound"];
            413: components["responses"]["PayloadTooLarge"];
            415: components["responses"]["UnsupportedMediaType"];
            500: components["responses"]["InternalError"];
            503: components["responses"]["OverloadedOrStoreUnavailable"];
        };
    };
    returnFromProvider: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description Name of the provider. For example `truecaller`. */
                provider: string;
                /** @description Issued by the gateway: names one attempt, and is unguessable. For example `Yd0cA4o5jCkYlY2xXzVb7QBmJ2kQhQAb3dE5fG7hJ9kLmNpQ`. */
                key: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A small page, if there is no `returnUrl`. */
            200: {
                headers: {
                    "x-request-id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "text/html": string;
                };
            };
            /** @description Redirect to the app. */
            303: {
                headers: {
                    /** @description The app's `returnUrl` with the added parameters. */
                    location?: string;
                    "x-request-id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: components["responses"]["InvalidRequest"];
            404: components["responses"]["NotFound"];
            /**
             * @description Too Many Requests
             *
             *     - `rate_limited`: A limit was reached: of the app, of the number, or of how soon and how often the call may be repeated. Retry after `Retry-After` seconds.
             */
            429: {
                headers: {
                    "x-request-id": components["headers"]["RequestId"];
                    "retry-after": components["headers"]["RetryAfter"];
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            500: components["responses"]["InternalError"];
            503: components["responses"]["OverloadedOrStoreUnavailable"];
        };
    };
    receiveKeyedCallback: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description Name of the provider. For example `truecaller`. */
                provider: string;
                /** @description Issued by the gateway: names one attempt, and is unguessable. For example `Yd0cA4o5jCkYlY2xXzVb7QBmJ2kQhQAb3dE5fG7hJ9kLmNpQ`. */
                key: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Accepted. Unknown and late callbacks get the same response. */
            200: {
                headers: {
                    "x-request-id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": Record<string, never>;
                };
            };
            400: components["responses"]["InvalidRequest"];
            404: components["responses"]["NotFound"];
            413: components["responses"]["PayloadTooLarge"];
            415: components["responses"]["UnsupportedMediaType"];
            500: components["responses"]["InternalError"];
            503: components["responses"]["OverloadedOrStoreUnavailable"];
        };
    };
    listProviders: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The configured providers. */
            200: {
                headers: {
                    "x-request-id": components["headers"]["RequestId"];
                    ratelimit: components["headers"]["RateLimit"];
                    "ratelimit-policy": components["headers"]["RateLimitPolicy"];
                    "ratelimit-limit": components["headers"]["RateLimitLimit"];
                    "ratelimit-remaining": components["headers"]["RateLimitRemaining"];
                    "ratelimit-reset": components["headers"]["RateLimitReset"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ProviderList"];
                };
            };
            400: components["responses"]["InvalidRequest"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            429: components["responses"]["RateLimited"];
            500: components["responses"]["InternalError"];
            503: components["responses"]["OverloadedOrStoreUnavailable"];
        };
    };
    getLiveness: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Alive. */
            200: {
                headers: {
                    "x-request-id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Liveness"];
                };
            };
            400: components["responses"]["InvalidRequest"];
            500: components["responses"]["InternalError"];
            /** @description Restart required. */
            503: {
                headers: {
                    "x-request-id": components["headers"]["RequestId"];
                    "retry-after": components["headers"]["RetryAfter"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Liveness"];
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    getReadiness: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Ready for traffic. */
            200: {
                headers: {
                    "x-request-id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Readiness"];
                };
            };
            400: components["responses"]["InvalidRequest"];
            500: components["responses"]["InternalError"];
            /** @description Not ready: see `checks`. */
            503: {
                headers: {
                    "x-request-id": components["headers"]["RequestId"];
                    "retry-after": components["headers"]["RetryAfter"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Readiness"];
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    getMetrics: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Text exposition format. */
            200: {
                headers: {
                    "x-request-id": components["headers"]["RequestId"];
                    [name: string]: unknown;
                };
                content: {
                    "text/plain": string;
                };
            };
            400: components["responses"]["InvalidRequest"];
            500: components["responses"]["InternalError"];
            /**
             * @description Service Unavailable
             *
             *     - `overloaded`: The process is stopping, has more requests than it can serve in time, or could not finish in time. Retry after `Retry-After` seconds.
             */
            503: {
                headers: {
                    "x-request-id": components["headers"]["RequestId"];
                    "retry-after": components["headers"]["RetryAfter"];
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    onVerificationCreated: {
        parameters: {
            query?: never;
            header: {
                /**
                 * @description Id of the event: the same on every try and replay.
                 * @example msg_Yd0cA4o5jCkYlY2xXzVb7QBmJ2kQhQ_2
                 */
                "webhook-id": string;
                /**
                 * @description Time of this try, in seconds since 1970. Covered by the signature.
                 * @example 1772366401
                 */
                "webhook-timestamp": string;
                /**
                 * @description `v1,` and the base64 of HMAC-SHA256 over `webhook-id.webhook-timestamp.body`: one signature for each secret of the app, separated by spaces. This one signs the example without white space, with `whsec_b25seSB0aGUgZXhhbXBsZXMgYXJlIHNpZ25lZCB3aXRoIGl0`.
                 * @example v1,Kn6/e0ZOe4RRXHagLWk/wumUB3mICn3jMzpaL4tRuiQ=
                 */
                "webhook-signature": string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["VerificationCreatedEvent"];
            };
        };
        responses: {
            /** @description Gone: the endpoint is disabled until its URL changes, or a test or replay succeeds. */
            410: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description Accepted. The event is not sent again, unless the app requests a replay. */
            "2XX": {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description Failed, as is a redirect, or no response within 10 seconds. The event is sent again 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h, 24 h (± 10 %) after the previous try; `retry-after` on 429 and 503 is honoured. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
        };
    };
    onVerificationActionRequired: {
        parameters: {
            query?: never;
            header: {
                /**
                 * @description Id of the event: the same on every try and replay.
                 * @example msg_Yd0cA4o5jCkYlY2xXzVb7QBmJ2kQhQ_4
                 */
                "webhook-id": string;
                /**
                 * @description Time of this try, in seconds since 1970. Covered by the signature.
                 * @example 1772366410
                 */
                "webhook-timestamp": string;
                /**
                 * @description `v1,` and the base64 of HMAC-SHA256 over `webhook-id.webhook-timestamp.body`: one signature for each secret of the app, separated by spaces. This one signs the example without white space, with `whsec_b25seSB0aGUgZXhhbXBsZXMgYXJlIHNpZ25lZCB3aXRoIGl0`.
                 * @example v1,/lD8FJcXOXDcduMawkxAOc06vnZzYj5iaoPMOlY+GsQ=
                 */
                "webhook-signature": string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["VerificationActionRequiredEvent"];
            };
        };
        responses: {
            /** @description Gone: the endpoint is disabled until its URL changes, or a test or replay succeeds. */
            410: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description Accepted. The event is not sent again, unless the app requests a replay. */
            "2XX": {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description Failed, as is a redirect, or no response within 10 seconds. The event is sent again 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h, 24 h (± 10 %) after the previous try; `retry-after` on 429 and 503 is honoured. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
        };
    };
    onVerificationVerified: {
        parameters: {
            query?: never;
            header: {
                /**
                 * @description Id of the event: the same on every try and replay.
                 * @example msg_Yd0cA4o5jCkYlY2xXzVb7QBmJ2kQhQ_6
                 */
                "webhook-id": string;
                /**
                 * @description Time of this try, in seconds since 1970. Covered by the signature.
                 * @example 1772366431
                 */
                "webhook-timestamp": string;
                /**
                 * @description `v1,` and the base64 of HMAC-SHA256 over `webhook-id.webhook-timestamp.body`: one signature for each secret of the app, separated by spaces. This one signs the example without white space, with `whsec_b25seSB0aGUgZXhhbXBsZXMgYXJlIHNpZ25lZCB3aXRoIGl0`.
                 * @example v1,pFFzitKzmVgf/9YWM7q5njjmDCX9lgTgQP5ejk+eG/o=
                 */
                "webhook-signature": string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["VerificationVerifiedEvent"];
            };
        };
        responses: {
            /** @description Gone: the endpoint is disabled until its URL changes, or a test or replay succeeds. */
            410: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description Accepted. The event is not sent again, unless the app requests a replay. */
            "2XX": {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description Failed, as is a redirect, or no response within 10 seconds. The event is sent again 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h, 24 h (± 10 %) after the previous try; `retry-after` on 429 and 503 is honoured. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
        };
    };
    onVerificationFailed: {
        parameters: {
            query?: never;
            header: {
                /**
                 * @description Id of the event: the same on every try and replay.
                 * @example msg_Yd0cA4o5jCkYlY2xXzVb7QBmJ2kQhQ_4
                 */
                "webhook-id": string;
                /**
                 * @description Time of this try, in seconds since 1970. Covered by the signature.
                 * @example 1772366406
                 */
                "webhook-timestamp": string;
                /**
                 * @description `v1,` and the base64 of HMAC-SHA256 over `webhook-id.webhook-timestamp.body`: one signature for each secret of the app, separated by spaces. This one signs the example without white space, with `whsec_b25seSB0aGUgZXhhbXBsZXMgYXJlIHNpZ25lZCB3aXRoIGl0`.
                 * @example v1,V7KivCMkBMJAAXkKsKoTkDmky+QQcZ1Sxj+l7TRlUG0=
                 */
                "webhook-signature": string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["VerificationFailedEvent"];
            };
        };
        responses: {
            /** @description Gone: the endpoint is disabled until its URL changes, or a test or replay succeeds. */
            410: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description Accepted. The event is not sent again, unless the app requests a replay. */
            "2XX": {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description Failed, as is a redirect, or no response within 10 seconds. The event is sent again 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h, 24 h (± 10 %) after the previous try; `retry-after` on 429 and 503 is honoured. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
        };
    };
    onVerificationExpired: {
        parameters: {
            query?: never;
            header: {
                /**
                 * @description Id of the event: the same on every try and replay.
                 * @example msg_Yd0cA4o5jCkYlY2xXzVb7QBmJ2kQhQ_3
                 */
                "webhook-id": string;
                /**
                 * @description Time of this try, in seconds since 1970. Covered by the signature.
                 * @example 1772366700
                 */
                "webhook-timestamp": string;
                /**
                 * @description `v1,` and the base64 of HMAC-SHA256 over `webhook-id.webhook-timestamp.body`: one signature for each secret of the app, separated by spaces. This one signs the example without white space, with `whsec_b25seSB0aGUgZXhhbXBsZXMgYXJlIHNpZ25lZCB3aXRoIGl0`.
                 * @example v1,XlIUcOp0DYOBI5GvOeZU607UJQxa1Ah6ZtEXB+ShiyY=
                 */
                "webhook-signature": string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["VerificationExpiredEvent"];
            };
        };
        responses: {
            /** @description Gone: the endpoint is disabled until its URL changes, or a test or replay succeeds. */
            410: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description Accepted. The event is not sent again, unless the app requests a replay. */
            "2XX": {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description Failed, as is a redirect, or no response within 10 seconds. The event is sent again 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h, 24 h (± 10 %) after the previous try; `retry-after` on 429 and 503 is honoured. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
        };
    };
    onVerificationCanceled: {
        parameters: {
            query?: never;
            header: {
                /**
                 * @description Id of the event: the same on every try and replay.
                 * @example msg_Yd0cA4o5jCkYlY2xXzVb7QBmJ2kQhQ_3
                 */
                "webhook-id": string;
                /**
                 * @description Time of this try, in seconds since 1970. Covered by the signature.
                 * @example 1772366420
                 */
                "webhook-timestamp": string;
                /**
                 * @description `v1,` and the base64 of HMAC-SHA256 over `webhook-id.webhook-timestamp.body`: one signature for each secret of the app, separated by spaces. This one signs the example without white space, with `whsec_b25seSB0aGUgZXhhbXBsZXMgYXJlIHNpZ25lZCB3aXRoIGl0`.
                 * @example v1,4noVOGT3Tsvn9v3jRlNrTnNaqRQfz6udsDf868bJMH0=
                 */
                "webhook-signature": string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["VerificationCanceledEvent"];
            };
        };
        responses: {
            /** @description Gone: the endpoint is disabled until its URL changes, or a test or replay succeeds. */
            410: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description Accepted. The event is not sent again, unless the app requests a replay. */
            "2XX": {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description Failed, as is a redirect, or no response within 10 seconds. The event is sent again 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h, 24 h (± 10 %) after the previous try; `retry-after` on 429 and 503 is honoured. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
        };
    };
    onWebhookTest: {
        parameters: {
            query?: never;
            header: {
                /**
                 * @description Id of the event: the same on every try and replay.
                 * @example msg_Yd0cA4o5jCkYlY2xXzVb7QBmJ2kQhQ_0
                 */
                "webhook-id": string;
                /**
                 * @description Time of this try, in seconds since 1970. Covered by the signature.
                 * @example 1772366400
                 */
                "webhook-timestamp": string;
                /**
                 * @description `v1,` and the base64 of HMAC-SHA256 over `webhook-id.webhook-timestamp.body`: one signature for each secret of the app, separated by spaces. This one signs the example without white space, with `whsec_b25seSB0aGUgZXhhbXBsZXMgYXJlIHNpZ25lZCB3aXRoIGl0`.
                 * @example v1,M9+7ksdd5DPtMqlh7AfqKEUrQ9bRmuCD8v0YEQhHhmI=
                 */
                "webhook-signature": string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["WebhookTestEvent"];
            };
        };
        responses: {
            /** @description Gone: the endpoint is disabled until its URL changes, or a test or replay succeeds. */
            410: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description Accepted. The event is not sent again, unless the app requests a replay. */
            "2XX": {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description Failed, as is a redirect, or no response within 10 seconds. The event is sent again 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h, 24 h (± 10 %) after the previous try; `retry-after` on 429 and 503 is honoured. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
        };
    };
}
