import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyReply } from 'fastify'
import { Type } from 'typebox'
import { acceptForms } from '../forms.ts'
import { scenarioOf } from '../scenarios.ts'
import { provider } from './account.ts'
import type { AuthRequest } from './auth-request.ts'
import { truecallerChannel } from './initiate-link.ts'
import type { Link } from './links.ts'
import type { Parts } from './parts.ts'
import { failuresOf } from './requests.ts'

const LinkParams = Type.Object({ slug: Type.String() })
/** What the person chooses. Without a choice the number's suffix decides. */
const LinkForm = Type.Object({
  choice: Type.Optional(Type.Union([Type.Literal('approve'), Type.Literal('decline')])),
  phoneNumber: Type.Optional(Type.String()),
  email: Type.Optional(Type.String()),
}, { additionalProperties: false })
type LinkForm = { choice?: 'approve' | 'decline', phoneNumber?: string, email?: string }

/**
 * The page behind a link. GET and HEAD use up nothing, because scanners open links; the form of the page signs in.
 */
export const pageRoutes: FastifyPluginAsyncTypebox<Parts> = async (app, { requests, webhooks, codes, links }) => {
  acceptForms(app)

  /** The link that can still be used; null: the page says why not. */
  function open (slug: string, reply: FastifyReply): Link | null {
    const link = links.find(slug)
    if (link !== undefined && !link.request.isDecided && !requests.hasExpired(link.request)) return link
    sendPage(reply, link === undefined ? 404 : 410, 'This link is not valid any more.')
    return null
  }

  app.get('/otpless.me/:slug', { schema: { params: LinkParams } }, async ({ params: { slug }, method }, reply) => {
    const link = open(slug, reply)
    if (link === null) return reply
    const { request } = link
    const isMessage = request.method !== 'OAUTH'
    if (method === 'GET' && isMessage) void webhooks.delivery(request, 'CLICKED')
    return sendLinkPage(reply, !isMessage)
  })

  app.post('/otpless.me/:slug', {
    schema: { params: LinkParams, body: LinkForm },
    // A form without fields is no body.
    preValidation: async request => { request.body ??= {} },
  }, async ({ params: { slug }, body }, reply) => {
    const link = open(slug, reply)
    if (link === null) return reply
    const { request, redirectURI: target } = link
    const { choice, ...account } = body
    if (request.method === 'OAUTH') {
      const isRefused = choice === 'decline'
      if (!isRefused && !signIn(request, account)) return sendPage(reply, 400, 'Which account is it?')
      if (!isRefused) void webhooks.initiated(request)
    }
    if (request.scenario === 'silent') return sendPage(reply, 200, 'Nothing happens.')
    if (choice === 'decline' || (choice === undefined && request.scenario === 'rejected')) {
      requests.decline(request)
      return sendPage(reply, 200, 'You are not signed in.')
    }
    const reported = requests.succeed(request)
    if (request.scenario === 'reordered') await reported
    if (request.channel === truecallerChannel) return sendPage(reply, 200, 'You are signed in. Go back to the app.')
    const location = new URL(target)
    location.searchParams.set('code', codes.issue(request))
    return reply.redirect(location.href, 303)
  })

  /** The person signs in to an account. One with a number of suffix 91 has no number, but an e-mail address. */
  function signIn (request: AuthRequest, { phoneNumber, email }: LinkForm): boolean {
    const digits = phoneNumber?.replace(/\D/g, '') || undefined
    if (digits === undefined && !email) return false
    const scenario = digits === undefined ? 'verified' : scenarioOf(digits, provider)
    request.scenario = scenario
    request.failuresLeft = failuresOf(scenario)
    request.person = digits === undefined || scenario === 'unsupported'
      ? { email: email || 'ada@example.com' }
      : { digits }
    return true
  }
}

const page = (title: string, content: string): string => '<!doctype html><html lang="en"><head>'
  + '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
  + `<title>${title}</title></head><body><main><h1>${title}</h1>${content}</main></body></html>`

/** Nothing of the request is in the page, and it runs no script. */
function sendPage (reply: FastifyReply, status: number, title: string, content = ''): FastifyReply {
  return reply.code(status).headers({
    'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-store',
    'content-security-policy': 'default-src \'none\'',
  }).send(page(title, content))
}

const buttons = '<p><button name="choice" value="approve">Yes, sign me in</button> '
  + '<button name="choice" value="decline" formnovalidate>No</button></p>'

/** The page behind a link: only its form does something. With an OAuth link, the person says which account it is. */
function sendLinkPage (reply: FastifyReply, asksForAccount: boolean): FastifyReply {
  const account = asksForAccount
    ? '<p><label>Number of your account <input name="phoneNumber" type="tel" required></label></p>'
    : ''
  return sendPage(reply, 200, 'Do you want to sign in?', `<form method="post">${account}${buttons}</form>`)
}
