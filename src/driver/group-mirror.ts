import { asError, OncesinkError } from '../errors.ts'
import { sortedByPartition, topicPartitionKey } from '../model/topic-partition.ts'
import { Backoff } from '../runtime/backoff.ts'
import type { Runtime } from '../runtime/runtime.ts'
import type { GroupOffset, Source } from '../source/source.ts'
import type { JobEventBus } from '../telemetry/events.ts'

/** Positions are sent at most once per this many milliseconds, the newest only. */
const INTERVAL_MS = 1_000
/** After a failure it waits longer and longer. */
const BACKOFF = { initialMs: INTERVAL_MS, maxMs: 60_000 }
/** Brokers forget groups that say nothing for days: an idle job repeats what it has said. */
const REPEAT_MS = 3_600_000
/** How long a stop waits for the last positions to be taken, in milliseconds. */
const LAST_MS = 2_000

export interface GroupMirrorDeps {
  readonly group: string
  readonly source: Pick<Source, 'mirrorOffsets'>
  readonly events: JobEventBus
  readonly runtime: Runtime
  /** The event that tells of positions which the database has: `settled` where it gets them after the batch. */
  readonly follows: 'batch' | 'settled'
}

/**
 * Tells the brokers how far the job is, beside the job: commits never wait for it, and its failures are only told.
 * What it has sent is never read back; the positions are SQL's.
 *
 * States: `idle` -> start() -> `watching` -> (something was claimed or committed) -> `sending`, one request at a time,
 * then a pause -> `watching`; any -> close() -> `closed`.
 */
export class GroupMirror {
  readonly #deps: GroupMirrorDeps
  readonly #offsets = new Map<string, GroupOffset>()
  readonly #closing = new AbortController()
  readonly #unsubscribe: (() => void)[] = []
  #wake = new AbortController()
  /** Whether there is something that was not sent yet. */
  #isBehind = false
  #failures = 0
  #wasRefused = false
  #running: Promise<void> = Promise.resolve()

  constructor(deps: GroupMirrorDeps) {
    this.#deps = deps
  }

  start(): void {
    const { events } = this.#deps
    this.#unsubscribe.push(
      events.on('claimed', ({ claims }) => {
        this.#note(claims.map((claim) => ({ ...claim, offset: claim.nextOffset })))
      }),
      events.on(this.#deps.follows, ({ ranges }) =>
        this.#note(ranges.map((range) => ({ ...range, offset: range.until }))),
      ),
      events.on('lost', ({ partitions }) => {
        for (const tp of partitions) this.#offsets.delete(topicPartitionKey(tp))
        // What could not be sent before is no longer this process's to send: it waits for something that is.
        if (this.#offsets.size === 0) this.#isBehind = false
      }),
    )
    this.#running = this.#run()
  }

  /**
   * Ends it, after the last positions were sent or a bounded time has passed. Never throws.
   * @param sendLast false when another process owns the partitions now: what it sends must not be overwritten
   */
  async close(sendLast: boolean): Promise<void> {
    for (const unsubscribe of this.#unsubscribe) unsubscribe()
    this.#closing.abort()
    this.#wake.abort()
    const done = new AbortController()
    const last = async () => {
      await this.#running
      if (sendLast && this.#isBehind) await this.#send()
      done.abort()
    }
    await Promise.race([last(), this.#deps.runtime.clock.sleep(LAST_MS, done.signal)])
  }

  #note(offsets: readonly GroupOffset[]): void {
    for (const { topic, partition, offset } of offsets) {
      this.#offsets.set(topicPartitionKey({ topic, partition }), { topic, partition, offset })
    }
    this.#isBehind = this.#offsets.size > 0
    if (this.#isBehind) this.#wake.abort()
  }

  async #run(): Promise<void> {
    const { clock, random } = this.#deps.runtime
    const backoff = new Backoff(BACKOFF, random)
    const closed = this.#closing.signal
    while (!closed.aborted) {
      if (!this.#isBehind) await clock.sleep(REPEAT_MS, this.#wake.signal)
      if (closed.aborted) return
      this.#wake = new AbortController()
      if (this.#offsets.size === 0) continue
      const ok = await this.#send()
      if (ok) backoff.reset()
      await clock.sleep(ok ? INTERVAL_MS : Math.max(INTERVAL_MS, backoff.nextMs()), closed)
    }
  }

  async #send(): Promise<boolean> {
    const { group, source, events } = this.#deps
    const offsets = sortedByPartition(this.#offsets.values())
    this.#isBehind = false
    try {
      await source.mirrorOffsets(group, offsets)
      this.#failures = 0
      events.emit('offsetsMirrored', { group, offsets, error: null, failures: 0 })
      return true
    } catch (thrown) {
      const error = asError(thrown)
      // The partitions may have gone to another owner meanwhile.
      this.#isBehind = this.#offsets.size > 0
      this.#failures += 1
      this.#warn(error)
      events.emit('offsetsMirrored', { group, offsets, error, failures: this.#failures })
      return false
    }
  }

  /** Once for what somebody must mend; brokers that are away are told of by the source already. */
  #warn(error: Error): void {
    const isAway = error instanceof OncesinkError && error.disposition === 'retry'
    if (isAway || this.#wasRefused) return
    this.#wasRefused = true
    this.#deps.events.emit('warning', {
      message: `the job goes on, but its offsets are not mirrored to Kafka: ${error.message}`,
    })
  }
}
