import { request } from 'undici'

/** One series of a scrape. */
export type Series = { name: string, labels: Record<string, string>, value: number }

/** Reads the text exposition format; lines without a series are ignored. */
export function readSeries (text: string): Series[] {
  return text.split('\n').flatMap(line => {
    const {
      name, labels = '', value,
    } = /^(?<name>[a-z_][a-z0-9_]*)(?:\{(?<labels>.*)\})? (?<value>\S+)$/i.exec(line)?.groups ?? {}
    if (name === undefined || value === undefined) return []
    return [
      {
        name,
        labels: Object.fromEntries(
          [...labels.matchAll(/(\w+)="([^"]*)"/g)].map(([, label = '', text = '']) => [label, text]),
        ),
        value: Number(value),
      },
    ]
  })
}

/** A key that is unique to a series. */
export const identify = ({ name, labels }: Series): string => `${name} ${JSON.stringify(Object.entries(labels).sort())}`

/** The sum of the series with this name and at least these labels; null when there is none. */
export function sumOf (series: readonly Series[], name: string, labels: Record<string, string> = {}): number | null {
  const meant = series.filter(
    one => one.name === name && Object.entries(labels).every(([label, value]) => one.labels[label] === value),
  )
  return meant.length === 0 ? null : meant.reduce((sum, { value }) => sum + value, 0)
}

/** Scrapes a gateway. */
export async function scrape (url: string): Promise<Series[]> {
  const answer = await request(`${url}/metrics`)
  if (answer.statusCode !== 200) throw new Error(`/metrics answered ${answer.statusCode}`)
  return readSeries(await answer.body.text())
}
