import type { Aggregate } from '../aggregation/aggregate.ts'
import type { CompoundAggregate } from '../aggregation/compound-aggregate.ts'
import { refuseUnknownOptions } from '../aggregation/refuse-unknown-options.ts'
import type { Decoder } from '../decode/decoder.ts'
import { type AnyDecoder, decoderOf } from '../decode/decoder-of.ts'
import { keyDecoder } from '../decode/key-decoder.ts'
import { OncesinkError } from '../errors.ts'
import { describeValue } from '../model/excerpt.ts'
import { isPlainObject } from '../model/plain-object.ts'
import { checkSink } from './check-sink.ts'
import { Pipeline } from './pipeline.ts'
import type { AggregatePlan, KeyPlan, RootPlan, SourcePlan, Step, Terminal } from './plan.ts'
import type { DecodeOptions, SourceStream, Stream } from './stream.ts'

/**
 * Begins a pipeline at a source, for example `kafka({ ... })`. Pipelines that begin with the same `decode(...)` share
 * their records: each is decoded once.
 */
export function from(source: SourcePlan): SourceStream {
  if (typeof source?.kind !== 'string') throw misuse('from', 'a source such as kafka({ ... })', source)
  return {
    decode<T, Key>(decoder: AnyDecoder<T>, options: DecodeOptions<Key> = {}): Stream<T, Key> {
      const { key } = options ?? {}
      if (!isPlainObject(options)) throw misuse('decode', 'an options object after the decoder', options)
      refuseUnknownOptions('decode', options, ['key'])
      const root = {
        source,
        decoder: checkedDecoder('decode', decoder),
        keyDecoder: key === undefined ? null : keyDecoder(checkedDecoder("decode's key", key)),
      }
      return stream<T, Key>(Object.freeze(root), Object.freeze([]))
    },
  }
}

function checkedDecoder<T>(where: string, given: AnyDecoder<T>): Decoder<T> {
  const decoder = decoderOf(given)
  if (decoder) return decoder
  throw misuse(where, 'a decoder such as json(), a function or a Standard Schema (version 1)', given)
}

/** The link after `steps`. The functions in it lose their types here; the interface has checked them. */
function stream<T, Key>(root: RootPlan, steps: readonly Step[]): Stream<T, Key> {
  const then = <U>(step: Step): Stream<U, Key> => stream(root, Object.freeze([...steps, Object.freeze(step)]))
  const end = (terminal: Terminal) => ({
    into(sink: { readonly plan: unknown }): Pipeline {
      return new Pipeline({ root, steps, terminal, sink: checkSink(terminal, sink) })
    },
  })
  const link = {
    filter: (predicate: never) => then({ kind: 'filter', predicate: checked('filter', predicate) }),
    map: (transform: never) => then({ kind: 'map', transform: checked('map', transform) }),
    flatMap: (transform: never) => then({ kind: 'flatMap', transform: checked('flatMap', transform) }),
    groupBy: (keys: Record<string, never>) => {
      const keyPlans = named('groupBy', keys, (name, key) => [keyPlan(name, key)])
      const hopping = keyPlans.filter(({ everyMs }) => everyMs !== undefined).map(({ name }) => `'${name}'`)
      if (hopping.length > 1)
        throw invalid(`a group has one hopping window at most, but ${hopping.join(' and ')} are such keys`)
      return {
        aggregate(aggregates: Record<string, never>) {
          const plans = named('aggregate', aggregates, aggregatePlans)
          const twice = plans.find(({ name }, i) => plans.findIndex((plan) => plan.name === name) !== i)
          if (twice) throw invalid(`two aggregates have the column '${twice.name}': rename one of them`)
          const taken = plans.find(({ name }) => keyPlans.some((key) => key.name === name))
          if (taken)
            throw invalid(`aggregate '${taken.name}' has the name of a group key: rename one of them`)
          return end(Object.freeze({ kind: 'aggregate', keys: keyPlans, aggregates: plans }))
        },
      }
    },
    reduce: (fold: Record<'zero' | 'add' | 'merge', never>) => {
      if (!isPlainObject(fold)) throw misuse('reduce', 'an object { zero, add, merge }', fold)
      refuseUnknownOptions('reduce', fold, ['zero', 'add', 'merge'])
      const { zero, add, merge } = fold
      return end(
        Object.freeze({
          kind: 'reduce',
          zero: checked('reduce.zero', zero),
          add: checked('reduce.add', add),
          merge: checked('reduce.merge', merge),
        }),
      )
    },
    into: end(Object.freeze({ kind: 'rows' })).into,
  }
  return link as unknown as Stream<T, Key>
}

function keyPlan(
  name: string,
  select: KeyPlan['select'] & { readonly windowMs?: unknown; readonly everyMs?: unknown },
): KeyPlan {
  checked(`groupBy '${name}'`, select)
  const { windowMs, everyMs } = select
  return {
    name,
    select,
    ...(typeof windowMs === 'number' && { windowMs }),
    ...(typeof everyMs === 'number' && { everyMs }),
  }
}

/** One plan per column. */
function aggregatePlans(
  name: string,
  aggregate: Partial<Aggregate<never, never> & CompoundAggregate<never, never>>,
): AggregatePlan[] {
  if (typeof aggregate?.fn?.add === 'function') return [{ name, fn: aggregate.fn }]
  if (aggregate?.parts) {
    return aggregate.parts.map(({ suffix, fn, by }) => ({
      name: `${name}${suffix}`,
      fn,
      ...(by === undefined ? {} : { by: `${name}${by}` }),
    }))
  }
  throw misuse(`aggregate '${name}'`, 'an aggregate such as count()', aggregate)
}

/** Plans of a group's keys or aggregates, in the order in which they are written. */
function named<V, P>(
  where: string,
  value: Record<string, V>,
  plansOf: (name: string, value: V) => P[],
): readonly P[] {
  if (!isPlainObject(value)) throw misuse(where, 'an object with a name for each', value)
  const plans = Object.entries(value).flatMap(([name, entry]) => {
    if (name === '' || name === '__proto__') throw invalid(`${where} cannot use the name '${name}'`)
    return plansOf(name, entry).map((plan) => Object.freeze(plan))
  })
  if (plans.length > 0) return Object.freeze(plans)
  throw invalid(`${where} needs at least one entry; for one row in all, group by a constant`)
}

function checked<F>(where: string, value: F): F {
  if (typeof value === 'function') return value
  throw misuse(where, 'a function', value)
}

function misuse(where: string, wanted: string, got: unknown): OncesinkError {
  return invalid(`${where} needs ${wanted}, but got ${describeValue(got)}`)
}

function invalid(message: string): OncesinkError {
  return new OncesinkError('CONFIGURATION_INVALID', `${message}.`)
}
