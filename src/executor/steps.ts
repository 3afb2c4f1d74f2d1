import type { RecordMeta as MetaOf } from '../model/record-meta.ts'
import type { Step } from '../pipeline/plan.ts'
import { FunctionFailure, refusePromise } from './function-failure.ts'

type RecordMeta = MetaOf<unknown>

/** Takes one value of a record. Throws nothing but {@link FunctionFailure}. */
export type Push = (value: unknown, meta: RecordMeta) => void

/** `steps` in front of `target`, as one function. `suffix` tells the pipelines of a job apart in messages. */
export function throughSteps(steps: readonly Step[], target: Push, suffix: string): Push {
  return steps.reduceRight<Push>(
    (next, step, i) => throughStep(step, next, `${step.kind} (step ${i + 1}${suffix})`),
    target,
  )
}

function throughStep(step: Step, next: Push, where: string): Push {
  switch (step.kind) {
    case 'filter':
      return filterStep(step.predicate, next, where)
    case 'map':
      return mapStep(step.transform, next, where)
    case 'flatMap':
      return flatMapStep(step.transform, next, where)
  }
}

function filterStep(
  predicate: (value: unknown, meta: RecordMeta) => unknown,
  next: Push,
  where: string,
): Push {
  return (value, meta) => {
    let keep: unknown
    try {
      keep = predicate(value, meta)
    } catch (error) {
      throw new FunctionFailure(where, error)
    }
    if (keep === true || (keep !== false && refusePromise(where, keep))) next(value, meta)
  }
}

function mapStep(transform: (value: unknown, meta: RecordMeta) => unknown, next: Push, where: string): Push {
  return (value, meta) => {
    let mapped: unknown
    try {
      mapped = transform(value, meta)
    } catch (error) {
      throw new FunctionFailure(where, error)
    }
    next(refusePromise(where, mapped), meta)
  }
}

function flatMapStep(
  transform: (value: unknown, meta: RecordMeta) => Iterable<unknown>,
  next: Push,
  where: string,
): Push {
  return (value, meta) => {
    try {
      const values = refusePromise(where, transform(value, meta))
      for (const one of values) next(refusePromise(where, one), meta)
    } catch (error) {
      // What comes through the loop from a later step already says which one it was.
      throw error instanceof FunctionFailure ? error : new FunctionFailure(where, error)
    }
  }
}
