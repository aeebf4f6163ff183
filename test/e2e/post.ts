import { request } from 'undici'

/** Posts JSON, or a text as it is, with no credentials: what providers and strangers do. */
export async function post (
  url: string, body: unknown, headers: Record<string, string> = {},
): Promise<{ status: number, body: Record<string, unknown> }> {
  const answer = await request(url, {
    method: 'POST', headers: { 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  })
  return { status: answer.statusCode, body: readObject(await answer.body.text()) }
}

/** The members of a JSON object; none for any other text. */
export function readObject (text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? { ...value } : {}
  } catch {
    return {}
  }
}
