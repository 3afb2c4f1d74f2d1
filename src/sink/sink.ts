import type { AppendPlan, MergePlan, WritePlan, WriteResultPlan } from './sink-plan.ts'

declare const accepts: unique symbol

/** Where rows of type `Row` go: `append(...)` or `write(...)`. */
export interface Sink<in Row> {
  readonly plan: AppendPlan | WritePlan
  readonly [accepts]?: (row: Row) => void
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
