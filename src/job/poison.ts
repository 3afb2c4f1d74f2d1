import { OncesinkError } from '../errors.ts'
import type { DeadLetterPolicy, PoisonPolicy } from '../model/dead-letter.ts'
import { describeValue } from '../model/excerpt.ts'
import { orMeant } from '../model/known-options.ts'
import { isPlainObject, unknownFields } from '../model/plain-object.ts'

export interface DeadLetterOptions {
  /**
   * Dead letters of one micro-batch. With more of them nothing of the batch is committed and the job stops: that many
   * records that fail together are no accident of the data. @default 100, 1 to 1000
   */
  readonly maxPerBatch?: number | undefined
  /**
   * Dead letters of the job within `windowMs`, counted in the database: a restart does not begin a new window.
   * @default 1000, 1 to 1 million, not less than `maxPerBatch`
   */
  readonly maxPerWindow?: number | undefined
  /** Milliseconds back from now that `maxPerWindow` looks at, by the database's clock. @default 3600000 (1 hour), 1 s to 30 days */
  readonly windowMs?: number | undefined
}

const ranges = {
  maxPerBatch: { byDefault: 100, lowest: 1, highest: 1_000 },
  maxPerWindow: { byDefault: 1_000, lowest: 1, highest: 1_000_000 },
  windowMs: { byDefault: 3_600_000, lowest: 1_000, highest: 30 * 86_400_000 },
} as const

/**
 * The poison policy that goes on past a record that the job's functions or the database cannot take. The record is left
 * out of all pipelines and written to `oncesink_dead_letters`, in the transaction that moves the position past it.
 * `oncesink dlq` shows what is there.
 * @throws OncesinkError CONFIGURATION_INVALID for an option that does not exist or is out of its range
 */
export function deadLetter(options: DeadLetterOptions = {}): DeadLetterPolicy {
  const problems: string[] = []
  const given: Readonly<Record<string, unknown>> = isPlainObject(options) ? options : {}
  if (!isPlainObject(options)) problems.push(`it takes an options object, but got ${describeValue(options)}`)
  for (const option of unknownFields(given, Object.keys(ranges))) {
    problems.push(
      `there is no option ${option}: there are ${Object.keys(ranges).join(', ')}${orMeant(option, Object.keys(ranges))}`,
    )
  }
  const read = (option: keyof typeof ranges): number => {
    const { byDefault, lowest, highest } = ranges[option]
    const value = given[option] ?? byDefault
    if (typeof value === 'number' && Number.isInteger(value) && value >= lowest && value <= highest)
      return value
    problems.push(`${option} must be an integer from ${lowest} to ${highest}, but is ${describeValue(value)}`)
    return byDefault
  }
  const [maxPerBatch, maxPerWindow, windowMs] = [read('maxPerBatch'), read('maxPerWindow'), read('windowMs')]
  if (problems.length === 0 && maxPerWindow < maxPerBatch) {
    problems.push(`maxPerWindow (${maxPerWindow}) must not be less than maxPerBatch (${maxPerBatch})`)
  }
  if (problems.length > 0) {
    throw new OncesinkError(
      'CONFIGURATION_INVALID',
      `deadLetter() is not right:\n${problems.map((problem) => `  - ${problem}`).join('\n')}`,
    )
  }
  return Object.freeze({ kind: 'deadLetter', maxPerBatch, maxPerWindow, windowMs } as const)
}

/**
 * The policy that the option `poison` of a job stands for, or null when it stands for none.
 * @throws OncesinkError CONFIGURATION_INVALID like {@link deadLetter}
 */
export function poisonPolicyOf(option: unknown): PoisonPolicy | null {
  if (option === undefined || option === 'fail') return Object.freeze({ kind: 'fail' })
  if (!isPlainObject(option) || option.kind !== 'deadLetter') return null
  const { kind: _, ...options } = option
  return deadLetter(options)
}
