import type { Gateway } from '../../verifications/gateway.ts'
import type { Verification } from '../../core/verification.ts'

/** Somebody who wants to know what becomes of a verification. */
export type Follower = {
  /** The verification after each change, and now and then without one. What it sees first was read after it came. */
  see (verification: Verification): void
  /** It could not be read, or `see` threw. It is read again after the next change, or on `refresh`. */
  miss (error: unknown): void
}

export type Following = {
  /** Reads it again: an announcement may have been missed. */
  refresh (): void
  stop (): void
}

export type Follow = (id: string, follower: Follower) => Following

type Subject = { followers: Set<Follower>, read: () => void, unlisten: () => void }

/** However many follow one verification in this process, it is listened to once, and read once for each change. */
export function createFollow (gateway: Pick<Gateway, 'get' | 'listen'>): Follow {
  const subjects = new Map<string, Subject>()

  function open (id: string): Subject {
    const followers = new Set<Follower>()
    let revision = -1
    let isReading = false
    let isWanted = false

    const tell = (follower: Follower, verification: Verification): void => {
      try {
        follower.see(verification)
      } catch (error) {
        follower.miss(error)
      }
    }
    async function readOnce (): Promise<void> {
      // Who comes while it is being read may know of a newer change: that one waits for the next read.
      const present = [...followers]
      const isPresent = (follower: Follower): boolean => followers.has(follower)
      try {
        const verification = await gateway.get(id)
        revision = verification.revision
        for (const follower of present.filter(isPresent)) tell(follower, verification)
      } catch (error) {
        for (const follower of present.filter(isPresent)) follower.miss(error)
      }
    }
    async function read (): Promise<void> {
      isWanted = true
      if (isReading) return
      isReading = true
      while (isWanted && followers.size > 0) {
        isWanted = false
        await readOnce()
      }
      isReading = false
    }

    const unlisten = gateway.listen(id, text => {
      // A change that nobody outside can see is announced with a revision that we have seen.
      if (text === null || !(Number(text) <= revision)) void read()
    })
    return { followers, read: () => void read(), unlisten }
  }

  return (id, follower) => {
    const subject = subjects.get(id) ?? open(id)
    subjects.set(id, subject)
    subject.followers.add(follower)
    subject.read()
    return {
      refresh: subject.read,
      stop () {
        subject.followers.delete(follower)
        if (subject.followers.size > 0 || subjects.get(id) !== subject) return
        subjects.delete(id)
        subject.unlisten()
      },
    }
  }
}
