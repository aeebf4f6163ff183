import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { authorize } from './account.ts'
import { messageMembers, otpLength, readMessageRequest } from './message-request.ts'
import { otpFor } from './otp.ts'
import type { Parts } from './parts.ts'

/** Any absolute URI: apps have schemes of their own. */
const redirectURI = Type.String({ format: 'uri' })
const MagicLinkBody = Type.Object({ ...messageMembers, redirectURI }, { additionalProperties: false })
const OtpLinkBody = Type.Object({ ...messageMembers, redirectURI, otpLength }, { additionalProperties: false })

/** Truecaller is on a page of its own: it has no code, and the status tells the result. */
export const truecallerChannel = 'TRUE_CALLER'
const oauthChannels = [
  'WHATSAPP', 'TWITTER', 'GOOGLE', 'APPLE', 'LINKEDIN', 'MICROSOFT', 'FACEBOOK', 'INSTAGRAM', 'LINE', 'SLACK',
  'DROPBOX', 'GITHUB', 'BITBUCKET', 'ATLASSIAN', 'LINEAR', 'GITLAB', 'TIKTOK', 'TWITCH', 'TELEGRAM', 'HUBSPOT',
  'NOTION', 'BOX', 'XERO', truecallerChannel,
]
const OauthBody = Type.Object({ channel: Type.Enum(oauthChannels), redirectURI }, { additionalProperties: false })

const phoneChannels = ['WHATSAPP', 'SMS', 'VIBER']
const expirySeconds = 300

/** Magic links, OTP links and OAuth links. https://otpless.com/docs/api-reference/endpoint/sign-in */
export const linkRoutes: FastifyPluginAsyncTypebox<Parts> = async (app, { requests, messages, links }) => {
  const onRequest = authorize()

  app.post('/auth/v1/initiate/magiclink', { schema: { body: MagicLinkBody }, onRequest }, async ({ body }, reply) => {
    const asked = readMessageRequest(body, phoneChannels, reply)
    if (asked === null) return reply
    const request = requests.create({ ...asked, method: 'MAGIC_LINK' })
    const url = links.create({ request, redirectURI: body.redirectURI })
    if (request.scenario !== 'silent') {
      void messages.send(request, body.channels, { text: `Open this link to sign in: ${url}`, url })
    }
    return { requestId: request.id }
  })

  app.post('/auth/v1/initiate/otplink', { schema: { body: OtpLinkBody }, onRequest }, async ({ body }, reply) => {
    const asked = readMessageRequest(body, phoneChannels, reply)
    if (asked === null) return reply
    const otp = asked.scenario === 'mismatch' ? undefined : otpFor(asked.person, body.otpLength ?? 6)
    const request = requests.create({ ...asked, method: 'OTP_LINK', otp })
    const url = links.create({ request, redirectURI: body.redirectURI })
    if (request.scenario !== 'silent') {
      const text = otp === undefined ? `Open this link: ${url}` : `${otp} is your code. Or open this link: ${url}`
      void messages.send(request, body.channels, { text, url, ...otp === undefined ? {} : { code: otp } })
    }
    return { requestId: request.id }
  })

  app.post('/auth/v1/initiate/oauth', { schema: { body: OauthBody }, onRequest }, async ({ body }) => {
    const { channel } = body
    const request = requests.create({ method: 'OAUTH', channel, person: {}, scenario: 'verified', expirySeconds })
    return { requestId: request.id, link: links.create({ request, redirectURI: body.redirectURI }) }
  })
}
