import type { Series } from '../helpers/metrics.ts'

export type Matcher = { label: string, operator: string, value: string }
/** What a query asks for: each selector, and the labels by which it groups and joins. */
export type Query = { selectors: { name: string, matchers: Matcher[] }[], labels: string[] }

/** Labels that the scrape adds. */
const added = ['namespace', 'job', 'instance']

/**
 * Reads a PromQL expression as far as names and labels go. Every name is one of ours, of Node or of the process: the
 * rest are words of the language.
 */
export function readQuery (expression: string): Query {
  const selectors = [
    ...expression.matchAll(/(?<name>\b(?:verigate|nodejs|process)_[a-z0-9_]+)(?:\{(?<matchers>[^}]*)\})?/g),
  ].map(({ groups }) => ({
    name: groups?.['name'] ?? '',
    matchers: [
      ...(groups?.['matchers'] ?? '').matchAll(/(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"/g),
    ].map(([, label = '', operator = '', value = '']) => ({ label, operator, value })),
  }))
  const labels = [...expression.matchAll(/\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)/g)]
    .flatMap(([, list = '']) => list.split(',').map(label => label.trim()).filter(label => label !== ''))
  return { selectors, labels }
}

/**
 * Each name, label or value of the query that no series has, in words. Values of variables (`$provider`) are not ours
 * to know.
 */
export function missingFrom (series: readonly Series[], { selectors, labels }: Query): string[] {
  const missing: string[] = []
  const known = new Set(added)
  for (const { name, matchers } of selectors) {
    const own = series.filter(one => one.name === name)
    if (own.length === 0) missing.push(name)
    for (const label of own.flatMap(one => Object.keys(one.labels))) known.add(label)
    for (const { label, operator, value } of matchers) {
      if (added.includes(label)) continue
      if (!own.some(one => label in one.labels)) missing.push(`${name}{${label}}`)
      else if (!value.includes('$')) {
        for (const word of operator.endsWith('~') ? value.split('|') : [value]) {
          if (!own.some(one => one.labels[label] === word)) missing.push(`${name}{${label}="${word}"}`)
        }
      }
    }
  }
  return [...missing, ...labels.filter(label => !known.has(label))]
}
