import type { TopicPartition } from '../../model/topic-partition.ts'
import type { PartitionOffer, PartitionProgress, SeekPosition, TakeLimits } from '../../source/source.ts'
import type { JobEvents } from '../../telemetry/events.ts'
import type { BatchPlan } from '../executor.ts'
import type { EncodedError } from './encode-error.ts'
import type { EncodedResult } from './encode-result.ts'

/*
 * What the driver's thread and a worker say to each other. Messages of one direction arrive in their order: a worker
 * has heard of a seek before it hears of anything that was asked after it.
 */

/** What each kind of ask is answered with. */
export interface Answers {
  /** What makes up the job, by name. */
  open: Readonly<Record<string, string>>
  seek: null
  offer: readonly PartitionOffer[]
  compute: readonly TaggedResult[]
  close: null
}

export type Ask =
  /** Load the job and connect. */
  | { readonly kind: 'open' }
  | { readonly kind: 'seek'; readonly positions: readonly SeekPosition[]; readonly generation: number }
  | { readonly kind: 'offer'; readonly limits: TakeLimits }
  | { readonly kind: 'compute'; readonly plan: BatchPlan }
  | { readonly kind: 'close' }

export type ToWorker =
  | { readonly kind: 'ask'; readonly id: number; readonly ask: Ask }
  /** The partitions are nobody's here any more. */
  | { readonly kind: 'drop'; readonly partitions: readonly TopicPartition[]; readonly generation: number }
  /** Waiting for records on behalf of this ask is to end. */
  | { readonly kind: 'cease'; readonly id: number }

/** A result, and the generation of its partition in which the records were taken. */
export interface TaggedResult {
  readonly generation: number
  readonly result: EncodedResult
}

export type ToDriver =
  | {
      readonly kind: 'answer'
      readonly id: number
      readonly answer: Answers[Ask['kind']]
      readonly progress: readonly PartitionProgress[]
    }
  | { readonly kind: 'failure'; readonly id: number; readonly error: EncodedError }
  /** The job's module does what it must not do in a worker. */
  | { readonly kind: 'refused'; readonly error: EncodedError }
  /** The range that is being computed from now on. */
  | { readonly kind: 'range'; readonly topic: string; readonly partition: number }
  | {
      readonly kind: 'retrying'
      readonly event: Omit<JobEvents['retrying'], 'error'>
      readonly error: EncodedError
    }
  | { readonly kind: 'recovered'; readonly event: JobEvents['recovered'] }
  | { readonly kind: 'warning'; readonly event: JobEvents['warning'] }
