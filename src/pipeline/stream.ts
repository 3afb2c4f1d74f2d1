import type { Aggregate, Selector } from '../aggregation/aggregate.ts'
import type { CompoundAggregate } from '../aggregation/compound-aggregate.ts'
import type { HoppingFunction } from '../aggregation/hopping.ts'
import type { WindowFunction } from '../aggregation/tumbling.ts'
import type { AnyDecoder } from '../decode/decoder-of.ts'
import type { StandardSchema } from '../decode/standard-schema.ts'
import type { RawKey, RecordMeta } from '../model/record-meta.ts'
import type { ColumnValue, KeyValue } from '../model/values.ts'
import type { MergeSink, ResultSink, Sink, WriteSink } from '../sink/sink.ts'
import type { Pipeline } from './pipeline.ts'

/*
 * The types of the chain. Each call returns a new link and leaves its own as it is, so a link may be the beginning of
 * several pipelines. All functions are synchronous and pure: a replay must give the same rows.
 */

/** A source whose values are still bytes. */
export interface SourceStream {
  /**
   * Says that the bytes are JSON, and values what a synchronous Standard Schema (of Zod, Valibot, ArkType and others)
   * makes of it. A record that the schema refuses stops the job.
   */
  decode<T, Key>(schema: StandardSchema<T>, options: SchemaOfKey<Key>): Stream<T, Key>
  decode<T, Key = RawKey>(schema: StandardSchema<T>, options?: DecodeOptions<Key>): Stream<T, Key>
  /**
   * Says what the bytes are.
   * @param decoder `json<T>()`, `string()`, `bytes()`, or a function of the bytes
   */
  decode<T, Key>(decoder: AnyDecoder<T>, options: SchemaOfKey<Key>): Stream<T, Key>
  decode<T, Key = RawKey>(decoder: AnyDecoder<T>, options?: DecodeOptions<Key>): Stream<T, Key>
}

/** {@link DecodeOptions}, with a schema, which must not be taken for a function where it can be called. */
export interface SchemaOfKey<Key> {
  readonly key: StandardSchema<Key>
}

export interface DecodeOptions<Key> {
  /**
   * How the record's key is decoded: anything that decodes values. Its result is `meta.key` from here on. Every key is
   * decoded, whether or not somebody looks at it: a record fails whose key is not what the job says. The default is the
   * key's bytes, or null.
   */
  readonly key?: AnyDecoder<Key>
}

/** Values of type `T`, one or more per record, each with the record's meta data, whose key is of type `Key`. */
export interface Stream<T, Key = RawKey> {
  /** Keeps the values for which `predicate` holds; a type guard narrows what follows. */
  filter<S extends T>(predicate: (value: T, meta: RecordMeta<Key>) => value is S): Stream<S, Key>
  filter(predicate: (value: T, meta: RecordMeta<Key>) => boolean): Stream<T, Key>
  /** Replaces each value. */
  map<U>(transform: (value: T, meta: RecordMeta<Key>) => U): Stream<U, Key>
  /** Replaces each value by any number of values. */
  flatMap<U>(transform: (value: T, meta: RecordMeta<Key>) => Iterable<U>): Stream<U, Key>
  /**
   * Groups values by one or more keys: a function of the value each, or a window such as
   * `tumbling('1 minute', (o) => o.at)`; of keys made by `hopping(...)` there is one at most. A record fails for which a key is null, undefined, NaN, infinite or an invalid
   * Date, or of another type than the key had before.
   */
  groupBy<K extends KeyFunctions<T, Key>>(keys: K & OneHoppingKey<K>): GroupedStream<T, KeysOf<K>, Key>
  /**
   * Folds all values of a batch into one, in record order within a partition and partition order between them.
   * `merge` must be associative, and `zero()` must not change what it is merged with. `add` and `merge` may change and
   * return their first argument, never their second.
   */
  reduce<A>(fold: Reduction<T, A, Key>): ReducedStream<A>
  /** Sends every value to `sink` as a row. */
  into(sink: Sink<T, Key>): Pipeline
}

export type KeyFunctions<T, Key> = Readonly<
  Record<string, Selector<T, KeyValue, Key> | WindowFunction<T, Key> | HoppingFunction<T, Key>>
>

export type KeysOf<K> = {
  readonly [P in keyof K]: K[P] extends HoppingFunction<never, never>
    ? Date
    : K[P] extends (...args: never) => infer V
      ? V
      : never
}

/** What stands in the place of every hopping key where there is more than one. */
export interface OneHoppingKeyOnly<Name> {
  readonly 'a group has one hopping key at most': Name
}

type HoppingKeys<K> = { [P in keyof K]: K[P] extends HoppingFunction<never, never> ? P : never }[keyof K]

/** Refuses every hopping key beside which there is another one. */
type OneHoppingKey<K> = {
  readonly [P in HoppingKeys<K> as Exclude<HoppingKeys<K>, P> extends never ? never : P]: OneHoppingKeyOnly<P>
}

export type Aggregates<T, Key> = Readonly<
  Record<
    string,
    Aggregate<T, ColumnValue, Key> | CompoundAggregate<T, Readonly<Record<string, ColumnValue>>, Key>
  >
>

/** Columns of the aggregate `A` that is called `Name`, with their types. */
type ColumnsOf<Name extends string, A> =
  A extends CompoundAggregate<never, infer Columns, never>
    ? { [S in keyof Columns & string]: { column: `${Name}${S}`; type: Columns[S] } }[keyof Columns & string]
    : A extends Aggregate<never, infer V, never>
      ? { column: Name; type: V }
      : never

type AllColumnsOf<A> = { [P in keyof A & string]: ColumnsOf<P, A[P]> }[keyof A & string]

export type ResultsOf<A> = { readonly [C in AllColumnsOf<A> as C['column']]: C['type'] }

export interface Reduction<T, A, Key = RawKey> {
  readonly zero: () => A
  readonly add: (accumulator: A, value: T, meta: RecordMeta<Key>) => A
  readonly merge: (a: A, b: A) => A
}

/** What stands in the place of an aggregate that has the name of a key. */
export interface NameIsTaken<Name> {
  readonly 'this name is already a group key': Name
}

/** Values of type `T` in groups of equal keys. */
export interface GroupedStream<T, Keys, Key = RawKey> {
  /**
   * Computes aggregates per group: one row with the keys and the results. A key's name cannot be used again, and no
   * two aggregates may have one column.
   */
  aggregate<A extends Aggregates<T, Key>>(
    aggregates: A & {
      readonly [P in keyof A & string as ColumnsOf<P, A[P]>['column'] & keyof Keys extends never
        ? never
        : P]: NameIsTaken<ColumnsOf<P, A[P]>['column'] & keyof Keys>
    },
  ): AggregatedStream<Flatten<Keys & ResultsOf<A>>, keyof Keys & string>
}

/** One row per group and batch. */
export interface AggregatedStream<Row, Keys extends string> {
  /**
   * `merge({ table })` adds the rows to a table; `write(...)` is given them. There is no `append`: every batch has a row
   * of its own for a key.
   */
  into(sink: MergeSink<Row, Keys> | WriteSink<Row>): Pipeline
}

/** One value per batch. */
export interface ReducedStream<A> {
  into(sink: ResultSink<A>): Pipeline
}

/** Shows an intersection as one object type. */
export type Flatten<T> = { [P in keyof T]: T[P] } & {}
