import type { AggregateFunction } from '../aggregation/aggregate-function.ts'
import type { Decoder } from '../decode/decoder.ts'
import type { RecordMeta as MetaOf } from '../model/record-meta.ts'
import type { SinkPlan } from '../sink/sink-plan.ts'
import type { StartFrom } from '../source/source.ts'

/*
 * What the chain from().decode()...into() builds: plain data with the user's functions in it. Types are erased
 * here; the chain has checked them.
 */

/** Meta data of a record whose key is of some type. */
type RecordMeta = MetaOf<unknown>

/** Configuration of a source, made by `kafka(...)`; opaque to everything but the code that wires the source. */
export interface SourcePlan {
  readonly kind: string
  /** Where partitions without a position in SQL begin; never looked at once there is one. */
  readonly startFrom: StartFrom
}

/** A source and how its values are decoded. Pipelines that share one root are computed and committed together. */
export interface RootPlan {
  readonly source: SourcePlan
  readonly decoder: Decoder<unknown>
  /** How keys are decoded; null leaves them as bytes. */
  readonly keyDecoder: Decoder<unknown> | null
}

export type Step =
  | { readonly kind: 'filter'; readonly predicate: (value: unknown, meta: RecordMeta) => boolean }
  | { readonly kind: 'map'; readonly transform: (value: unknown, meta: RecordMeta) => unknown }
  | { readonly kind: 'flatMap'; readonly transform: (value: unknown, meta: RecordMeta) => Iterable<unknown> }

export interface KeyPlan {
  readonly name: string
  readonly select: (value: unknown, meta: RecordMeta) => unknown
  /** Length of the window in milliseconds where the key is an event-time window. */
  readonly windowMs?: number
  /**
   * From one window to the next in milliseconds, where windows overlap: `select` then gives an array, the starts of all
   * windows of the record. One key of a group at most has it.
   */
  readonly everyMs?: number
}

export interface AggregatePlan {
  readonly name: string
  readonly fn: AggregateFunction
  /** Name of the aggregate that decides in its place which value stays. */
  readonly by?: string
}

export type Terminal =
  | { readonly kind: 'rows' }
  | {
      readonly kind: 'aggregate'
      readonly keys: readonly KeyPlan[]
      readonly aggregates: readonly AggregatePlan[]
    }
  | {
      readonly kind: 'reduce'
      readonly zero: () => unknown
      readonly add: (accumulator: unknown, value: unknown, meta: RecordMeta) => unknown
      readonly merge: (a: unknown, b: unknown) => unknown
    }

export interface PipelinePlan {
  readonly root: RootPlan
  readonly steps: readonly Step[]
  readonly terminal: Terminal
  readonly sink: SinkPlan
}
