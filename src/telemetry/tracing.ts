/**
 * The attributes of a span: closed words, our own ids, counts. Never a number, a secret, a path or a URL. `error.type`
 * marks the span as failed.
 */
export type Attributes = Record<string, string | number | boolean>

export type SpanOptions = {
  kind: 'server' | 'client' | 'consumer' | 'internal'
  /**
   * W3C `traceparent` that the span continues. If the current span belongs to another trace, the two are linked.
   * Otherwise, or without a `traceparent`, the current span is the parent.
   */
  traceparent?: string | undefined
  attributes?: Attributes
}

export type SetAttributes = (attributes: Attributes) => void

export type Tracing = {
  /**
   * Runs the work in a new span, which ends with it. Of an error the span gets only the class. `setAttributes` is
   * absent when tracing is turned off.
   */
  trace<T> (
    name: string, options: SpanOptions, work: (setAttributes: SetAttributes | undefined) => Promise<T>,
  ): Promise<T>
  /** W3C `traceparent` of the current span; null when there is none. */
  traceparent (): string | null
  /** Sends the remaining spans, within half a second. */
  close (): Promise<void>
}

/** Tracing when it is turned off. */
export const noTracing: Tracing = {
  trace: (_name, _options, work) => work(undefined), traceparent: () => null, close: async () => {},
}

/** Options of a span about a verification. All its spans continue the trace of its create request. */
export const verificationSpan = (
  { id, traceparent }: { id: string, traceparent?: string }, attributes: Attributes = {},
): Required<Pick<SpanOptions, 'attributes'>> & Pick<SpanOptions, 'traceparent'> =>
  ({ traceparent, attributes: { 'verigate.verification.id': id, ...attributes } })

/** The trace id in a `traceparent`. */
export const traceIdOf = (traceparent: string | null): string | null => traceparent?.slice(3, 35) ?? null
