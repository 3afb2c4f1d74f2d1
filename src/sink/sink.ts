import type { AppendPlan, MergePlan, UpsertPlan, WritePlan, WriteResultPlan } from './sink-plan.ts'

declare const accepts: unique symbol

/** Where rows of type `Row` go, of records with keys of type `Key`: `append(...)`, `upsert(...)` or `write(...)`. */
export interface Sink<in Row, in Key = unknown> {
  readonly plan: AppendPlan | UpsertPlan | WritePlan
  readonly [accepts]?: (row: Row, key: Key) => void
}

/** A {@link Sink} that keeps one row per key: `upsert(...)`. */
export interface UpsertSink<in Row, in Key> extends Sink<Row, Key> {
  readonly plan: UpsertPlan
}

/** A {@link Sink} that takes rows of any kind: `write(...)`. */
export interface WriteSink<in Row> extends Sink<Row> {
  readonly plan: WritePlan
}

/** Where aggregated rows go that are added to a table by their keys: `merge(...)`. */
export interface MergeSink<in Row, in Keys extends string> {
  readonly plan: MergePlan
  readonly [accepts]?: (row: Row, keys: Keys) => void
}

/** Where the result of a `reduce` goes: `writeResult(...)`. */
export interface ResultSink<in Result> {
  readonly plan: WriteResultPlan
  readonly [accepts]?: (result: Result) => void
}
