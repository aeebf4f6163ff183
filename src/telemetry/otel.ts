import { AsyncLocalStorage } from 'node:async_hooks'
import {
  diag, DiagLogLevel, ROOT_CONTEXT, SpanKind, SpanStatusCode, trace, type Span, type SpanContext,
} from '@opentelemetry/api'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http'
import { defaultResource, resourceFromAttributes } from '@opentelemetry/resources'
import {
  BatchSpanProcessor, ParentBasedSampler, TraceIdRatioBasedSampler, TracerProvider,
} from '@opentelemetry/sdk-trace'
import type { Tracing } from './tracing.ts'

const kinds = {
  server: SpanKind.SERVER, client: SpanKind.CLIENT, consumer: SpanKind.CONSUMER, internal: SpanKind.INTERNAL,
}
/** `endpoint`: base URL of the collector. `sampleRatio`: share of the traces that is kept, 0 to 1. */
export type OtlpOptions = { endpoint: string, serviceName: string, sampleRatio: number }

const closeMs = 500

/**
 * Tracing by OpenTelemetry, sent as OTLP over HTTP. Nothing is instrumented behind our back: instrumentations record
 * paths and queries, and
 * ours carry secrets. `main.ts` imports it only when tracing is on.
 */
export function createOtlpTracing (
  { endpoint, serviceName, sampleRatio }: OtlpOptions, { version, onError }: { version: string, onError: () => void },
): Tracing {
  const ignore = (): void => {}
  // What is said shows addresses and headers.
  diag.setLogger({ error: onError, warn: ignore, info: ignore, debug: ignore, verbose: ignore }, DiagLogLevel.ERROR)
  const provider = new TracerProvider({
    resource: defaultResource().merge(
      resourceFromAttributes({ 'service.name': serviceName, 'service.version': version }),
    ),
    sampler: new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(sampleRatio) }),
    spanProcessors: [
      new BatchSpanProcessor({ exporter: new OTLPTraceExporter({ url: `${endpoint.replace(/\/+$/, '')}/v1/traces` }) }),
    ],
  })
  const tracer = provider.getTracer('verigate', version)
  const inHand = new AsyncLocalStorage<Span>()

  return {
    trace (name, { kind, traceparent = '', attributes = {} }, work) {
      const active = inHand.getStore()
      const continued = readTraceparent(traceparent)
      const isElsewhere = continued !== null && continued.traceId !== active?.spanContext().traceId
      const parent = isElsewhere ? continued : active?.spanContext()
      const links = isElsewhere && active !== undefined ? [{ context: active.spanContext() }] : []
      const span = tracer.startSpan(
        name, { kind: kinds[kind], attributes, links }, parent === undefined
          ? ROOT_CONTEXT
          : trace.setSpanContext(ROOT_CONTEXT, parent),
      )
      if (isElsewhere) active?.addLink({ context: span.spanContext() })
      return inHand.run(span, async () => {
        const tell = (told: typeof attributes): void => {
          span.setAttributes(told)
          if ('error.type' in told) span.setStatus({ code: SpanStatusCode.ERROR })
        }
        try {
          return await work(tell)
        } catch (error) {
          tell({ 'error.type': error instanceof Error ? error.name : 'unknown' })
          throw error
        } finally {
          span.end()
        }
      })
    },
    traceparent () {
      const span = inHand.getStore()
      return span === undefined ? null : writeTraceparent(span.spanContext())
    },
    async close () {
      let timer: NodeJS.Timeout | undefined
      const deadline = new Promise<void>(resolve => { timer = setTimeout(resolve, closeMs) })
      await Promise.race([provider.shutdown().catch(onError), deadline])
      clearTimeout(timer)
    },
  }
}

const writeTraceparent = ({ traceId, spanId, traceFlags }: SpanContext): string =>
  `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, '0')}`

/** W3C Trace Context, of this version or one to come; null when it is none. */
function readTraceparent (text: string): SpanContext | null {
  const [
    , traceId, spanId, flags,
  ] = /^(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(?:-|$)/.exec(text) ?? []
  return traceId === undefined || spanId === undefined
    ? null
    : { traceId, spanId, traceFlags: Number.parseInt(flags ?? '0', 16) & 1, isRemote: true }
}
