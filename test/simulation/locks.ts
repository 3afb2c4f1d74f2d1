import { OncesinkError } from '../../src/errors.ts'
import type { SimulatedEvent } from './event-queue.ts'
import type { World } from './world.ts'

/** Who can hold row locks. */
export interface LockOwner {
  readonly label: string
}

interface Waiter<O> {
  readonly owner: O
  readonly key: string
  readonly grant: () => void
  readonly refuse: (error: Error) => void
  readonly timer: SimulatedEvent
}

interface Lock<O> {
  holder: O
  readonly queue: Waiter<O>[]
}

/** How long a statement waits for a lock, in milliseconds, before it is given up. */
const LOCK_TIMEOUT_MS = 10_000

/** Exclusive row locks, first come first served. Whoever closes a circle of waiting is the victim of the deadlock. */
export class Locks<O extends LockOwner> {
  readonly #world: World
  readonly #locks = new Map<string, Lock<O>>()
  readonly #held = new Map<O, string[]>()
  readonly #waiting = new Map<O, Waiter<O>>()
  /** Called before an error is thrown at a waiting owner, so that it can be undone first. */
  readonly #onError: (owner: O, kind: 'deadlock' | 'lock-timeout') => void

  constructor(world: World, onError: (owner: O, kind: 'deadlock' | 'lock-timeout') => void) {
    this.#world = world
    this.#onError = onError
  }

  /** Null when the lock is there at once; else a promise of it, which rejects when there is none to come. */
  acquire(key: string, owner: O): Promise<void> | null {
    const lock = this.#locks.get(key)
    if (!lock) {
      this.#locks.set(key, { holder: owner, queue: [] })
      this.#hold(owner, key)
      return null
    }
    if (lock.holder === owner) return null
    if (this.#closesCircle(lock.holder, owner)) return this.#fail(owner, 'deadlock', key)
    return new Promise<void>((grant, refuse) => {
      const timer = this.#world.schedule(LOCK_TIMEOUT_MS, () => {
        this.#stopWaiting(owner)
        this.#fail(owner, 'lock-timeout', key).catch(refuse)
      })
      const waiter = { owner, key, grant, refuse, timer }
      lock.queue.push(waiter)
      this.#waiting.set(owner, waiter)
    })
  }

  /** Gives up everything that the owner holds and waits for. */
  release(owner: O): void {
    const waiter = this.#stopWaiting(owner)
    waiter?.refuse(
      new OncesinkError('DATABASE_UNAVAILABLE', 'the session was ended while it waited for a lock'),
    )
    const held = this.#held.get(owner) ?? []
    this.#held.delete(owner)
    for (const key of held) this.#pass(key)
  }

  holds(key: string, owner: O): boolean {
    return this.#locks.get(key)?.holder === owner
  }

  /** Gives up one lock. */
  releaseOne(key: string, owner: O): void {
    const held = this.#held.get(owner)
    const at = held?.indexOf(key) ?? -1
    if (!held || at < 0) return
    held.splice(at, 1)
    this.#pass(key)
  }

  /** Who holds what the owner waits for. */
  blockerOf(owner: O): O | null {
    const waiter = this.#waiting.get(owner)
    return (waiter && this.#locks.get(waiter.key)?.holder) ?? null
  }

  #pass(key: string): void {
    const lock = this.#locks.get(key)
    const next = lock?.queue.shift()
    if (!lock || !next) {
      this.#locks.delete(key)
      return
    }
    lock.holder = next.owner
    this.#hold(next.owner, key)
    this.#waiting.delete(next.owner)
    next.timer.run = null
    next.grant()
  }

  #hold(owner: O, key: string): void {
    const held = this.#held.get(owner)
    if (held) held.push(key)
    else this.#held.set(owner, [key])
  }

  #stopWaiting(owner: O): Waiter<O> | undefined {
    const waiter = this.#waiting.get(owner)
    if (!waiter) return undefined
    this.#waiting.delete(owner)
    waiter.timer.run = null
    const queue = this.#locks.get(waiter.key)?.queue
    queue?.splice(queue.indexOf(waiter), 1)
    return waiter
  }

  #closesCircle(holder: O, owner: O): boolean {
    for (let at: O | null = holder; at !== null; at = this.blockerOf(at)) if (at === owner) return true
    return false
  }

  async #fail(owner: O, kind: 'deadlock' | 'lock-timeout', key: string): Promise<void> {
    this.#onError(owner, kind)
    throw new OncesinkError('TRANSACTION_ABORTED', `${kind} over ${key}`)
  }
}
