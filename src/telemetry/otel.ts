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
/** `endpoint`: base URL of the collector. `sampleRatio`: the share of traces to keep, 0 to 1. */
export type OtlpOptions = { endpoint: string, serviceName: string, sampleRatio: number }

const closeDeadlineMs = 500

/**
 * OpenTelemetry tracing, exported as OTLP over HTTP. It uses no instrumentation packages, because they record paths and
 * queries, and ours contain secrets. `main.ts` imports this file only when tracing is on.
 */
export function createOtlpTracing (
  { endpoint, serviceName, sampleRatio }: OtlpOptions, { version, onError }: { version: string, onError: () => void },
): Tracing {
  const ignore = (): void => {}
  // The messages contain addresses and headers, so they are not logged.
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
  const spans = new AsyncLocalStorage<Span>()

  return {
    trace (name, { kind, traceparent = '', attributes = {} }, work) {
      const active = spans.getStore()
      const continued = readTraceparent(traceparent)
      const isOtherTrace = continued !== null && continued.traceId !== active?.spanContext().traceId
      const parent = isOtherTrace ? continued : active?.spanContext()
      const links = isOtherTrace && active !== undefined ? [{ context: active.spanContext() }] : []
      const context = parent === undefined ? ROOT_CONTEXT : trace.setSpanContext(ROOT_CONTEXT, parent)
      const span = tracer.startSpan(name, { kind: kinds[kind], attributes, links }, context)
      if (isOtherTrace) active?.addLink({ context: span.spanContext() })
      return spans.run(span, async () => {
        const setAttributes = (added: typeof attributes): void => {
          span.setAttributes(added)
          if ('error.type' in added) span.setStatus({ code: SpanStatusCode.ERROR })
        }
        try {
          return await work(setAttributes)
        } catch (error) {
          setAttributes({ 'error.type': error instanceof Error ? error.name : 'unknown' })
          throw error
        } finally {
          span.end()
        }
      })
    },
    traceparent () {
      const span = spans.getStore()
      return span === undefined ? null : writeTraceparent(span.spanContext())
    },
    async close () {
      let timer: NodeJS.Timeout | undefined
      const deadline = new Promise<void>(resolve => { timer = setTimeout(resolve, closeDeadlineMs) })
      await Promise.race([provider.shutdown().catch(onError), deadline])
      clearTimeout(timer)
    },
  }
}

const writeTraceparent = ({ traceId, spanId, traceFlags }: SpanContext): string =>
  `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, '0')}`

const traceparentPattern = /^(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(?:-|$)/

/** Reads a W3C `traceparent` of this or a later version; null when it is invalid. */
function readTraceparent (text: string): SpanContext | null {
  const [, traceId, spanId, flags] = traceparentPattern.exec(text) ?? []
  return traceId === undefined || spanId === undefined
    ? null
    : { traceId, spanId, traceFlags: Number.parseInt(flags ?? '0', 16) & 1, isRemote: true }
}
