/**
 * The monotonic clock of this process, by which caches measure the age of what they have, jumps whenever `now` does,
 * until the test ends.
 */
export function jumpWith (t: { teardown (run: () => unknown): void }, now: () => number): void {
  const [read, startedAt] = [performance.now.bind(performance), now()]
  performance.now = () => read() + now() - startedAt
  t.teardown(() => Reflect.deleteProperty(performance, 'now'))
}
