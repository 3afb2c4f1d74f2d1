import { asError, OncesinkError } from '../../errors.ts'
import { topicPartitionKey } from '../../model/topic-partition.ts'
import type { SeekPosition } from '../source.ts'
import { type ClusterState, missingPatienceMs } from './cluster-view.ts'
import type { LeaderLoop } from './leader-loop.ts'
import { topicRecreated } from './position-check.ts'
import { ReadPartition } from './read-partition.ts'
import type { Reader } from './reader.ts'

/**
 * Keeps partitions in the hands of their leaders: looks at the metadata from time to time and when something is in
 * trouble, and lets a partition be read on once its position has been compared with the log.
 */
export class Caretaker {
  readonly #reader: Reader
  readonly #loopOf: (nodeId: number) => LeaderLoop
  readonly #loops: () => Iterable<LeaderLoop>

  constructor(reader: Reader, loopOf: (nodeId: number) => LeaderLoop, loops: () => Iterable<LeaderLoop>) {
    this.#reader = reader
    this.#loopOf = loopOf
    this.#loops = loops
  }

  async run(): Promise<void> {
    const { closed, troubles, cluster, plan, care, runtime } = this.#reader
    while (!closed.aborted) {
      if (!troubles.unhandled) await care.wait(plan.metadataRefreshMs - cluster.ageMs, closed)
      if (closed.aborted) return
      if (troubles.unhandled) await runtime.clock.sleep(troubles.nextDelayMs(), closed)
      else if (cluster.ageMs < plan.metadataRefreshMs) continue
      if (!closed.aborted) await this.#refresh()
    }
  }

  async #refresh(): Promise<void> {
    const { cluster, troubles } = this.#reader
    const subject = 'metadata'
    try {
      this.reconcile(await cluster.refresh())
      troubles.recovered(subject)
    } catch (error) {
      const reason = asError(error)
      if (reason instanceof OncesinkError && reason.disposition === 'retry')
        this.#reader.report(subject, reason)
      else this.#reader.crash(reason)
    }
  }

  /** Compares a metadata answer with what is being read, and gives partitions to their leaders. */
  reconcile(state: ClusterState): void {
    const partitions = [...this.#reader.partitions.values()]
    for (const partition of partitions) {
      if (partition.state === 'failed') continue
      const topic = state.topics.get(partition.topic)
      if (topic !== undefined && topic.topicId !== partition.topicId) {
        this.#reader.fail(partition, topicRecreated(positionOf(partition), topic.topicId))
        continue
      }
      const metadata = topic?.partitions.find((p) => p.partition === partition.partition)
      if (metadata === undefined) {
        this.#missing(partition)
        continue
      }
      partition.missingSinceMs = null
      // An older epoch comes from a broker that has yet to hear of the newer one.
      const moved = metadata.leaderEpoch > partition.leaderEpoch
      if (moved) {
        partition.leader = metadata.leader
        partition.leaderEpoch = metadata.leaderEpoch
        partition.supersede(this.#reader.nextSeekCounter())
      }
      if (partition.state === 'checking') this.#startCheck(partition)
    }
    for (const loop of this.#loops()) {
      if (!partitions.some((p) => p.leader === loop.nodeId)) this.#reader.troubles.recovered(loop.subject)
      loop.resume()
    }
  }

  #missing(partition: ReadPartition): void {
    const now = this.#reader.runtime.clock.monotonicMs()
    partition.missingSinceMs ??= now
    const error = this.#reader.cluster.vanished(partition.topic)
    if (now - partition.missingSinceMs > missingPatienceMs) this.#reader.fail(partition, error)
    else {
      partition.supersede(this.#reader.nextSeekCounter())
      this.#reader.report(topicPartitionKey(partition), error)
    }
  }

  #startCheck(partition: ReadPartition): void {
    if (partition.beingChecked) return
    partition.beingChecked = true
    this.#check(partition)
      .catch((error: unknown) => {
        const reason = asError(error)
        if (reason instanceof OncesinkError) this.#reader.fail(partition, reason)
        else this.#reader.crash(reason)
      })
      .finally(() => {
        partition.beingChecked = false
      })
  }

  /** Lets the partition be read on if its position holds; it keeps what is buffered. */
  async #check(partition: ReadPartition): Promise<void> {
    const { check, troubles } = this.#reader
    const { seekCounter } = partition
    const [outcome] = await check.check([positionOf(partition)])
    if (outcome === undefined || partition.state !== 'checking') return
    const key = topicPartitionKey(partition)
    if (!(outcome instanceof OncesinkError)) {
      if (partition.seekCounter !== seekCounter)
        return this.#reader.report(key, new Error('its leader has changed'))
      partition.leader = outcome.leader
      partition.leaderEpoch = outcome.leaderEpoch
      partition.state = 'reading'
      troubles.recovered(key)
      this.#loopOf(partition.leader).wake()
    } else if (outcome.disposition === 'retry') {
      this.#reader.report(key, outcome)
    } else if (isAboutBuffer(outcome, partition)) {
      this.#forgetBuffer(partition)
    } else {
      this.#reader.fail(partition, outcome)
    }
  }

  /**
   * What was fetched ahead is not in the log any more, but perhaps none of it has been taken: begins again at the
   * position, which is then checked on its own.
   */
  #forgetBuffer(partition: ReadPartition): void {
    const { position, positionEpoch } = partition.buffer
    const counter = this.#reader.nextSeekCounter()
    const again = new ReadPartition(partition, partition.topicId, position, positionEpoch, counter)
    again.leader = partition.leader
    again.leaderEpoch = partition.leaderEpoch
    again.servedAt = partition.servedAt
    partition.state = 'dropped'
    this.#reader.partitions.set(topicPartitionKey(again), again)
    this.#startCheck(again)
  }
}

/** Where the next fetch of the partition would begin, and the epoch of the last batch before it. */
function positionOf(partition: ReadPartition): SeekPosition {
  const { topic, topicId, buffer } = partition
  const [nextOffset, leaderEpoch] = [BigInt(buffer.fetchedUntil), buffer.fetchedEpoch]
  return { topic, partition: partition.partition, topicId, nextOffset, leaderEpoch }
}

function isAboutBuffer(error: OncesinkError, { buffer }: ReadPartition): boolean {
  return error.code === 'LOG_TRUNCATED' && buffer.fetchedUntil > buffer.position
}
