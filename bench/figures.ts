/** The figures that README.md and docs/operations.md show, besides those with a goal. CPU in µs, times in ms. */
export const figureNames = [
  'createMicros', 'createRedisMicros', 'callMicros', 'callRedisMicros', 'readMicros', 'readRedisMicros',
  'lifecycleMicros', 'lifecycleRedisMicros', 'lifecycleCommands', 'lifecyclesPerSecond',
  'codeMicros', 'codeP99Ms', 'otpgatewayMicros', 'otpgatewayP99Ms', 'betterAuthMicros', 'betterAuthP99Ms',
  'startCpuMs', 'startMs', 'idleMb', 'idleMsPerSecond', 'idleRedisMsPerSecond', 'loadedMb', 'crowdMb',
  'liveBytes', 'finalBytes', 'appendOnlyBytes', 'manyLive',
] as const
export type FigureName = (typeof figureNames)[number]
