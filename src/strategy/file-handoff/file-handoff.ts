import { isAbsolute, resolve } from 'node:path'
import { OncesinkError } from '../../errors.ts'
import { describeValue } from '../../model/excerpt.ts'
import { unknownOption } from '../../model/known-options.ts'
import { isPlainObject } from '../../model/plain-object.ts'
import type { Runtime } from '../../runtime/runtime.ts'
import type { Strategy, StrategyParts, StrategyPlan } from '../strategy.ts'
import { DirectoryLoader } from './directory-loader.ts'
import { createDiskStore } from './disk-store.ts'
import { examineDirectory } from './examine-directory.ts'
import { FileLoader, shapeDigest } from './file-loader.ts'
import type { Keep } from './file-moves.ts'
import { gzipMembers } from './gzip-members.ts'
import { HandoffCommits } from './handoff-commits.ts'

export interface FileHandoffOptions {
  /**
   * Where the files are: a folder on one file system. It is created where it is missing. Relative to the current
   * directory of the process.
   */
  readonly directory: string
  /**
   * Who loads the files: this process, beside computing; or `oncesink load <job>`, in a process of its own.
   * @default 'inProcess'
   */
  readonly loader?: 'inProcess' | 'external' | undefined
  /** Files of this process that may wait to be loaded; then it pauses. One batch more may be written. @default 1000, 1 to 1 million */
  readonly maxFiles?: number | undefined
  /** Their bytes. @default 1 GiB, from 1 */
  readonly maxBytes?: number | undefined
  /** Milliseconds that a file is kept after it was loaded; 0: it is removed at once. @default 0 */
  readonly keepLoadedMs?: number | undefined
  /** Milliseconds that a file is kept whose range is read again from Kafka instead. @default 7 days, from 0 */
  readonly keepSetAsideMs?: number | undefined
}

/** What `fileHandoff()` makes of its options. */
export interface FileHandoffPlan extends StrategyPlan {
  readonly name: 'fileHandoff'
  /** Absolute. */
  readonly directory: string
  readonly loader: 'inProcess' | 'external'
  readonly maxFiles: number
  readonly maxBytes: number
  readonly keepLoadedMs: number
  readonly keepSetAsideMs: number
}

const integers = {
  maxFiles: { byDefault: 1_000, lowest: 1, highest: 1_000_000 },
  maxBytes: { byDefault: 2 ** 30, lowest: 1, highest: Number.MAX_SAFE_INTEGER },
  keepLoadedMs: { byDefault: 0, lowest: 0, highest: Number.MAX_SAFE_INTEGER },
  keepSetAsideMs: { byDefault: 7 * 86_400_000, lowest: 0, highest: Number.MAX_SAFE_INTEGER },
} as const

const options = ['directory', 'loader', ...Object.keys(integers)]

/**
 * The strategy of jobs that must not hold a database connection open while they compute: each partition's range becomes
 * a file, and a loader loads the files, each in one transaction with its range. Atomic unit: one partition's range of
 * one batch. A batch is reported as committed when its files are durable; positions in the database follow.
 *
 * Needs plain data: rows and accumulators for `write` and `writeResult` may hold what `structuredClone` takes of plain
 * objects, arrays, Map, Set, Date, Buffer, bigint and other primitives, and no instances of classes of your own.
 * @throws OncesinkError CONFIGURATION_INVALID for an option that does not exist or is out of its range
 */
export function fileHandoff(given: FileHandoffOptions): FileHandoffPlan {
  const problems: string[] = []
  if (!isPlainObject(given)) problems.push(`it takes an options object, but got ${describeValue(given)}`)
  const values: Readonly<Record<string, unknown>> = isPlainObject(given) ? given : {}
  const wrong = unknownOption('fileHandoff', values, options)
  if (wrong !== null) problems.push(wrong)
  const integer = (option: keyof typeof integers): number => {
    const { byDefault, lowest, highest } = integers[option]
    const value = values[option] ?? byDefault
    if (typeof value === 'number' && Number.isInteger(value) && value >= lowest && value <= highest)
      return value
    problems.push(`${option} must be an integer from ${lowest} to ${highest}, but is ${describeValue(value)}`)
    return byDefault
  }
  const { directory, loader = 'inProcess' } = values
  if (typeof directory !== 'string' || directory.trim() === '' || directory.includes('\0')) {
    problems.push(`directory must be the path of a folder, but is ${describeValue(directory)}`)
  }
  if (loader !== 'inProcess' && loader !== 'external') {
    problems.push(`loader must be 'inProcess' or 'external', but is ${describeValue(loader)}`)
  }
  const plan = {
    name: 'fileHandoff',
    loader: loader === 'external' ? 'external' : 'inProcess',
    maxFiles: integer('maxFiles'),
    maxBytes: integer('maxBytes'),
    keepLoadedMs: integer('keepLoadedMs'),
    keepSetAsideMs: integer('keepSetAsideMs'),
  } as const
  if (problems.length > 0) {
    const list = problems.map((problem) => `  - ${problem}`).join('\n')
    throw new OncesinkError('CONFIGURATION_INVALID', `fileHandoff() is not right:\n${list}`)
  }
  const path = directory as string
  const whole = { ...plan, directory: isAbsolute(path) ? path : resolve(path) }
  return Object.freeze({
    ...whole,
    needs: {
      what: 'handoff directory',
      examine: (job: string, runtime: Runtime) => examineDirectory(whole.directory, job, runtime),
    },
    create: (parts: StrategyParts) => create(whole, parts),
  })
}

/** Whether a job's strategy is this one. */
export function isFileHandoff(plan: StrategyPlan): plan is FileHandoffPlan {
  return plan.name === 'fileHandoff' && 'directory' in plan && 'keepSetAsideMs' in plan
}

function keepOf(plan: Pick<FileHandoffPlan, 'keepLoadedMs' | 'keepSetAsideMs'>): Keep {
  return { loadedMs: plan.keepLoadedMs, setAsideMs: plan.keepSetAsideMs }
}

/** What `oncesink load` runs; `session` is its own. */
export function createDirectoryLoader(
  plan: FileHandoffPlan,
  parts: Pick<StrategyParts, 'session' | 'pipelines' | 'shape' | 'deadLetterLimit' | 'events'>,
): DirectoryLoader {
  const { session, events } = parts
  const store = createDiskStore(plan.directory, session.job, session.runtime)
  const keep = keepOf(plan)
  const loader = new FileLoader({
    ...parts,
    packing: gzipMembers,
    shape: shapeDigest(parts.shape),
    store,
    keep,
  })
  return new DirectoryLoader({ session, store, loader, events, keep })
}

function create(plan: Omit<FileHandoffPlan, 'create'>, parts: StrategyParts): Strategy {
  const { session } = parts
  const store = createDiskStore(plan.directory, session.job, session.runtime)
  const commits = new HandoffCommits({ ...plan, keep: keepOf(plan) }, parts, store)
  return { name: plan.name, unit: 'batch', commit: (batch) => commits.commit(batch), deferred: commits }
}
