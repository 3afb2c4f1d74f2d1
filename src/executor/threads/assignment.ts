import { sortedByPartition, type TopicPartition, topicPartitionKey } from '../../model/topic-partition.ts'

/**
 * Which worker reads which partition. A partition goes to the worker that has the fewest, and stays there until it is
 * dropped, whatever becomes of others: what is buffered for it is not thrown away to balance numbers.
 */
export class Assignment {
  readonly #workers: number
  readonly #byPartition = new Map<string, { readonly tp: TopicPartition; readonly worker: number }>()

  constructor(workers: number) {
    this.#workers = workers
  }

  /** The worker of `tp`, which is given to one if it is new. */
  assign({ topic, partition }: TopicPartition): number {
    const known = this.workerOf({ topic, partition })
    if (known !== null) return known
    const loads = Array<number>(this.#workers).fill(0)
    for (const { worker } of this.#byPartition.values()) loads[worker] = (loads[worker] ?? 0) + 1
    const worker = loads.indexOf(Math.min(...loads))
    this.#byPartition.set(topicPartitionKey({ topic, partition }), { tp: { topic, partition }, worker })
    return worker
  }

  /** Returns the worker that had `tp`, or null. */
  remove(tp: TopicPartition): number | null {
    const worker = this.workerOf(tp)
    this.#byPartition.delete(topicPartitionKey(tp))
    return worker
  }

  workerOf(tp: TopicPartition): number | null {
    return this.#byPartition.get(topicPartitionKey(tp))?.worker ?? null
  }

  /** Everything that is assigned, in partition order. */
  partitions(): TopicPartition[] {
    return sortedByPartition([...this.#byPartition.values()].map(({ tp }) => tp))
  }

  /** The workers that have a partition, ascending. */
  busy(): number[] {
    return [...new Set([...this.#byPartition.values()].map(({ worker }) => worker))].sort((a, b) => a - b)
  }
}
