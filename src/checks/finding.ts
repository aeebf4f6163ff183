/**
 * One line of a check. `warning`: it works, and something should be changed. `subject`: a variable, a provider or
 * another name that the operator knows. `text`: what was found and, unless it is ok, what to do; no secret.
 */
export type Finding = { verdict: 'ok' | 'warning' | 'wrong', subject: string, text: string }

export const ok = (subject: string, text: string): Finding => ({ verdict: 'ok', subject, text })
export const warning = (subject: string, text: string): Finding => ({ verdict: 'warning', subject, text })
export const wrong = (subject: string, text: string): Finding => ({ verdict: 'wrong', subject, text })

/** The message without the name of the subject, with which errors of the configuration begin. */
export function messageOf (error: unknown, subject = ''): string {
  const text = error instanceof Error ? error.message : 'unknown error'
  return text.startsWith(subject) ? text.slice(subject.length).replace(/^: /, '').trimStart() : text
}
