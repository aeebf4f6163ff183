/**
 * What a test file covers: the source file of the same path, or the folder of that name. Tests of the whole
 * (test/bench, test/deploy, test/e2e, test/faults, test/ops, test/scripts) cover nothing, so that only a file's own
 * tests count for it.
 */
export default function mapCoverage (test: string): string | string[] | null {
  const mirrored = /^test\/(?!bench\/|deploy\/|e2e\/|faults\/|ops\/|scripts\/)(.+)\.test\.ts$/.exec(test)?.[1]
  return mirrored === undefined ? null : [`src/${mirrored}.ts`, `src/${mirrored}/**/*.ts`]
}
