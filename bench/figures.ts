/**
 * The figures that the documentation shows, besides those with a goal. CPU in µs, times in ms. `…FloorMicros`: the sum
 * of the parts of a floor, each measured alone; `…WholeMicros`: the same parts in turn in one process.
 */
export const figureNames = [
  'createMicros', 'createRedisMicros', 'callMicros', 'callRedisMicros', 'readMicros', 'readRedisMicros',
  'lifecycleMicros', 'lifecycleRedisMicros', 'lifecycleCommands', 'lifecyclesPerSecond',
  'createFloorMicros', 'createWholeMicros', 'callFloorMicros', 'callWholeMicros', 'readFloorMicros', 'readWholeMicros',
  'lifecycleFloorMicros', 'lifecycleWholeMicros', 'lifecycleAtRateMicros', 'lifecycleWholeAtRateMicros',
  'codeMicros', 'codeP99Ms', 'otpgatewayMicros', 'otpgatewayP99Ms', 'betterAuthMicros', 'betterAuthP99Ms',
  'startCpuMs', 'startMs', 'idleMb', 'idleMsPerSecond', 'idleRedisMsPerSecond', 'loadedMb', 'crowdMb',
  'liveBytes', 'finalBytes', 'appendOnlyBytes', 'manyLive',
] as const
export type FigureName = (typeof figureNames)[number]
export type Figures = Partial<Record<FigureName, number>>

/** As many digits as matter. */
export function formatNumber (value: number): string {
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2
  return String(Number(value.toFixed(digits)))
}
