import { expect } from 'vitest'
import { columnPlanOf } from '../../../src/executor/column-plan.ts'
import { compilePartitionTask } from '../../../src/executor/partition-task.ts'
import type { Pipeline } from '../../../src/pipeline/pipeline.ts'
import { systemClock } from '../../../src/runtime/clock.ts'
import type { PlainRecord } from '../../../src/source/record-segment.ts'
import { rangeOf } from './ranges.ts'

/*
 * Adding up from bytes against calling the job's functions for every record, which is what it means.
 */

const never = new AbortController().signal

/** Its plan to add up from bytes, or null. */
export const fast = ({ plan }: Pipeline) => columnPlanOf(plan.root, [plan])
export const taskOf = ({ plan }: Pipeline, way: 'fast' | 'plain') =>
  compilePartitionTask(plan.root, [plan], systemClock, { way })

export async function outcome(
  task: ReturnType<typeof taskOf>,
  records: readonly PlainRecord[],
): Promise<unknown> {
  try {
    const { partials, records: seen, lastOffset } = await task.run(rangeOf(records), never)
    const [partial] = partials
    if (partial?.kind !== 'groups') throw new Error('no groups')
    return { groups: partial.groups, seen, lastOffset }
  } catch (error) {
    return { message: (error as Error).message }
  }
}

export const records = (values: readonly (string | Buffer | null)[]): PlainRecord[] =>
  values.map((value, offset) => ({ offset, value }))
/** Ranges one after the other through one task of each kind, as a job runs them. */
export async function expectSame(
  pipeline: Pipeline,
  ranges: readonly (readonly (string | Buffer | null)[])[],
): Promise<void> {
  const [fastTask, plainTask] = [taskOf(pipeline, 'fast'), taskOf(pipeline, 'plain')]
  for (const values of ranges) {
    const [actual, expected] = [
      await outcome(fastTask, records(values)),
      await outcome(plainTask, records(values)),
    ]
    expect(actual).toStrictEqual(expected)
  }
}
