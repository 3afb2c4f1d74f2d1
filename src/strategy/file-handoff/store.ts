import type { Buffer } from 'node:buffer'
import type { TopicPartition } from '../../model/topic-partition.ts'

/**
 * Where a job's files are: one folder per partition. The port below which are disks (or, in tests, memory).
 * Every method rejects with HANDOFF_DIRECTORY_UNUSABLE when the directory fails it.
 */
export interface HandoffStore {
  /**
   * Creates the job's folder where it is missing, and tries out what files go through: writing, syncing, renaming.
   * @throws OncesinkError HANDOFF_DIRECTORY_UNUSABLE with what does not work
   */
  prepare(): Promise<void>
  /** Partitions that have a folder, in partition order. */
  partitions(): Promise<TopicPartition[]>
  /** Names of a partition's files, sorted; empty where it has no folder. */
  list(partition: TopicPartition): Promise<string[]>
  exists(partition: TopicPartition, name: string): Promise<boolean>
  /** Null when there is no such file. */
  read(partition: TopicPartition, name: string): Promise<Buffer | null>
  /**
   * The file is there whole under `name` when it resolves, and stays so when the power fails. Before, it is there under
   * `temporary`, or not at all.
   */
  write(partition: TopicPartition, temporary: string, name: string, bytes: Uint8Array): Promise<void>
  /** Atomic and durable. Returns whether there was such a file. */
  rename(partition: TopicPartition, name: string, to: string): Promise<boolean>
  /** Returns whether there was such a file. */
  remove(partition: TopicPartition, name: string): Promise<boolean>
  /** When the file was written or got its name, whichever is later, in milliseconds since 1970; null when there is none. */
  changedAtMs(partition: TopicPartition, name: string): Promise<number | null>
  /** No other store, on whatever machine, gives the same. */
  uniqueName(): string
  /** How a file is called in messages. */
  pathOf(partition: TopicPartition, name: string): string
}
