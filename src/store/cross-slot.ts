import type { Operate, Operation, WriteRefusal } from './writes.ts'

type InPartition = { partition?: number }
type Split<T> = { here: T[], elsewhere: T[] }

/** On Cluster a script reaches one slot, so operations on tables of other partitions take a step of their own. */
export type CrossSlot = {
  /** Separates what is in the record's own partition, `home`, from the rest. */
  split<T extends InPartition> (items: readonly T[], home: number): Split<T>
  /**
   * Takes the claims and adds to the counters of other slots, and then performs the rest with `writeHere`. It undoes
   * both when something refuses the write. It undoes neither when the reply is lost, because the write may have
   * happened. It keeps the claims when the record conflicts, because the process that wrote it may hold them.
   */
  write (
    operations: readonly Operation[], home: number,
    writeHere: (operations: readonly Operation[]) => Promise<WriteRefusal | null>,
  ): Promise<WriteRefusal | null>
  /** Releases claims of other slots. One that cannot be released expires. */
  release (releases: readonly Operation[]): Promise<void>
}

const split = <T extends InPartition>(items: readonly T[], home: number): Split<T> => {
  const isHere = ({ partition = home }: InPartition): boolean => partition === home
  return { here: items.filter(isHere), elsewhere: items.filter(item => !isHere(item)) }
}

/** What takes an operation back. */
const undoOf = (operation: Operation): Operation => operation.kind === 'count'
  ? { ...operation, value: String(-Number(operation.value)), limit: null }
  : { ...operation, kind: 'release' }

export function createCrossSlot (operate: Operate): CrossSlot {
  async function release (releases: readonly Operation[]): Promise<void> {
    await Promise.allSettled(releases.map(each => operate([each])))
  }

  return {
    split,
    release,
    async write (operations, home, writeHere) {
      const { here, elsewhere } = split(operations, home)
      const done: Operation[] = []
      for (const operation of elsewhere.filter(({ kind }) => kind !== 'release')) {
        const refusal = await operate([operation])
        if (refusal !== null) {
          await release(done.map(undoOf))
          return refusal
        }
        done.push(operation)
      }
      const refusal = await writeHere(here)
      if (refusal === null) await release(elsewhere.filter(({ kind }) => kind === 'release'))
      else await release(done.filter(({ kind }) => refusal !== 'conflict' || kind === 'count').map(undoOf))
      return refusal
    },
  }
}
