/**
 * What a span says besides its name: closed words, ids of ours, counts. Never a number, a secret, a path or a URL.
 * `error.type` marks it as failed.
 */
export type Attributes = Record<string, string | number | boolean>

export type SpanOptions = {
  kind: 'server' | 'client' | 'consumer' | 'internal'
  /**
   * W3C `traceparent` of what it continues. The span in hand, if it is of another trace, is linked; if it is of the
   * same one, or without a
   * `traceparent`, it is what the new span belongs to.
   */
  traceparent?: string | undefined
  attributes?: Attributes
}

export type Tracing = {
  /**
   * Does the work in a span of its own, which ends with it; of an error only the class is told. `tell` adds attributes.
   */
  trace<T> (
    name: string, options: SpanOptions, work: (tell: (attributes: Attributes) => void) => Promise<T>,
  ): Promise<T>
  /** W3C `traceparent` of the span in hand; null when there is none. */
  traceparent (): string | null
  /** Sends what is still to be sent, within half a second. */
  close (): Promise<void>
}

/** Tracing that is off. */
export const noTracing: Tracing = {
  trace: (_name, _options, work) => work(() => {}), traceparent: () => null, close: async () => {},
}

/** Options of a span about a verification: whatever happens to it is in the trace of its create. */
export const verificationSpan = (
  { id, traceparent }: { id: string, traceparent?: string }, attributes: Attributes = {},
): Required<Pick<SpanOptions, 'attributes'>> & Pick<SpanOptions, 'traceparent'> =>
  ({ traceparent, attributes: { 'verigate.verification.id': id, ...attributes } })

/** The trace that a `traceparent` names. */
export const traceIdOf = (traceparent: string | null): string | null => traceparent?.slice(3, 35) ?? null
