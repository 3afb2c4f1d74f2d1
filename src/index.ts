// Named public exports, nothing else.
export type { Aggregate, Selector } from './aggregation/aggregate.ts'
export { type AverageColumns, avg } from './aggregation/avg.ts'
export type { CompoundAggregate } from './aggregation/compound-aggregate.ts'
export { count } from './aggregation/count.ts'
export type { Duration } from './aggregation/duration.ts'
export { type Comparable, max, min } from './aggregation/extreme.ts'
export { type ExtremeByColumns, type ExtremeByOptions, maxBy, minBy } from './aggregation/extreme-by.ts'
export { type HoppingFunction, type HoppingOptions, hopping } from './aggregation/hopping.ts'
export { sum } from './aggregation/sum.ts'
export { type SumDecimalOptions, sumDecimal } from './aggregation/sum-decimal.ts'
export { sumDouble } from './aggregation/sum-double.ts'
export { tumbling, type WindowFunction } from './aggregation/tumbling.ts'
export { type MysqlOptions, type MysqlTlsOptions, mysql } from './database/mysql/options.ts'
export { type PostgresOptions, postgres } from './database/postgres/options.ts'
export { bytes } from './decode/bytes.ts'
export type { Decoder } from './decode/decoder.ts'
export type { AnyDecoder } from './decode/decoder-of.ts'
export { type FieldMap, type FieldsDecoder, type FieldsOf, fields } from './decode/fields.ts'
export type { DecodeFunction } from './decode/from-function.ts'
export { type JsonOptions, json } from './decode/json.ts'
export { nullable } from './decode/nullable.ts'
export type { SchemaIssue, SchemaResult, StandardSchema } from './decode/standard-schema.ts'
export { string } from './decode/string.ts'
export {
  type Disposition,
  type ErrorCode,
  ExitCode,
  OncesinkError,
  type RecordCoordinates,
} from './errors.ts'
export type { ExecutorPlan, WorkerThreadsPlan } from './executor/executor.ts'
export {
  binary,
  boolean,
  type DecimalOptions,
  decimal,
  document,
  double,
  type FieldOptions,
  integer,
  optional,
  type TextOptions,
  text,
  timestamp,
} from './fields/builders.ts'
export type { Field, FieldKind, ValueOf } from './fields/field.ts'
export { defineJob, type JobOptions } from './job/define-job.ts'
export type { DatabasePlan, Job, JobLimits } from './job/job.ts'
export { type DeadLetterOptions, deadLetter } from './job/poison.ts'
export { type RunningJob, type StartOptions, start } from './job/start.ts'
export { type WorkerThreadsOptions, workerThreads } from './job/worker-threads.ts'
export type { DeadLetter, DeadLetterPolicy, PoisonCause, PoisonPolicy } from './model/dead-letter.ts'
export type { JsonArray, JsonObject, JsonValue } from './model/json-value.ts'
export type { BatchInfo } from './model/micro-batch.ts'
export type { OffsetRange } from './model/offset-range.ts'
export type { RawKey, RecordMeta } from './model/record-meta.ts'
export type { TopicPartition } from './model/topic-partition.ts'
export type { ColumnValue, KeyValue } from './model/values.ts'
export { from } from './pipeline/from.ts'
export type { Pipeline } from './pipeline/pipeline.ts'
export type {
  AggregatedStream,
  DecodeOptions,
  GroupedStream,
  ReducedStream,
  Reduction,
  SourceStream,
  Stream,
} from './pipeline/stream.ts'
export { crashPoint } from './runtime/crash-point.ts'
export { type AppendOptions, append } from './sink/append.ts'
export { type MergeOptions, merge } from './sink/merge.ts'
export type { MergeSink, ResultSink, Sink, UpsertSink, WriteSink } from './sink/sink.ts'
export { type UpsertOptions, upsert } from './sink/upsert.ts'
export { write, writeResult } from './sink/write.ts'
export { type KafkaOptions, kafka } from './source/kafka/options.ts'
export type { KafkaLogin, KafkaSasl, KafkaTls } from './source/kafka/security.ts'
export type { StartFrom } from './source/source.ts'
export { collectThenCommit } from './strategy/collect-then-commit.ts'
export {
  type FileHandoffOptions,
  type FileHandoffPlan,
  fileHandoff,
} from './strategy/file-handoff/file-handoff.ts'
export { type PerPartitionOptions, perPartition } from './strategy/per-partition.ts'
export { type RepartitionToOneOptions, repartitionToOne } from './strategy/repartition-to-one.ts'
export type {
  ChunkLimits,
  CommitPhases,
  CommitReport,
  ComputedBatch,
  ComputedStrategy,
  Strategy,
  StrategyParts,
  StrategyPlan,
  StreamedBatch,
  StreamStrategy,
} from './strategy/strategy.ts'
export type { BatchEvent, JobEvents, JobState, OffsetsMirroredEvent } from './telemetry/events.ts'
