import { isAbsolute } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { OncesinkError } from '../errors.ts'
import type { ExecutorPlan, WorkerThreadsPlan } from '../executor/executor.ts'
import { describeValue } from '../model/excerpt.ts'
import { isPlainObject, unknownFields } from '../model/plain-object.ts'

export interface WorkerThreadsOptions {
  /** Threads that read, decode and aggregate. More of them than the job has partitions find nothing to do. 1 to 64 */
  readonly count: number
  /**
   * The module whose default export is the job: `import.meta.url`, written in that module. Every worker loads it. Not
   * needed where the command line runs the job: it knows the file.
   */
  readonly module?: string | URL | undefined
  /**
   * Milliseconds without any sign of life from a worker, after which the job stops with WORKER_TIMEOUT. A worker gives
   * one with every record, so this bounds what a single record may take. @default 30000, 1000 to 2147483647
   */
  readonly workerTimeoutMs?: number | undefined
  /**
   * Megabytes of JavaScript heap of each worker; beyond them the job stops with WORKER_OUT_OF_MEMORY. What was fetched
   * lies outside of the heap: `limits.maxBufferedBytes` bounds it. @default Node's own limit, 32 to 65536
   */
  readonly maxHeapMb?: number | undefined
}

const ranges = {
  count: { byDefault: undefined, lowest: 1, highest: 64 },
  workerTimeoutMs: { byDefault: 30_000, lowest: 1_000, highest: 2 ** 31 - 1 },
  maxHeapMb: { byDefault: null, lowest: 32, highest: 65_536 },
} as const

/**
 * The executor of a job whose functions need more than one core: partitions are spread over worker threads, each of
 * which has a reader and connections of its own. What is committed does not depend on it.
 * @throws OncesinkError CONFIGURATION_INVALID for an option that does not exist or is out of its range
 */
export function workerThreads(options: WorkerThreadsOptions): WorkerThreadsPlan {
  const problems: string[] = []
  const given: Readonly<Record<string, unknown>> = isPlainObject(options) ? options : {}
  if (!isPlainObject(options)) problems.push(`it takes an options object, but got ${describeValue(options)}`)
  const known = ['count', 'module', 'workerTimeoutMs', 'maxHeapMb']
  for (const option of unknownFields(given, known)) {
    problems.push(`there is no option ${option}: there are ${known.join(', ')}`)
  }
  const read = (option: keyof typeof ranges): number | null => {
    const { byDefault, lowest, highest } = ranges[option]
    const value = given[option] ?? byDefault
    if (value === null) return null
    if (typeof value === 'number' && Number.isInteger(value) && value >= lowest && value <= highest)
      return value
    problems.push(`${option} must be an integer from ${lowest} to ${highest}, but is ${describeValue(value)}`)
    return null
  }
  const count = read('count') ?? 1
  const workerTimeoutMs = read('workerTimeoutMs') ?? ranges.workerTimeoutMs.byDefault
  const maxHeapMb = read('maxHeapMb')
  const module = given.module === undefined || given.module === null ? null : moduleUrl(given.module)
  if (module === undefined) {
    problems.push(
      `module must be the URL of the job's module, as import.meta.url says it, or its absolute path, but is ${describeValue(given.module)}`,
    )
  }
  if (problems.length > 0) {
    throw new OncesinkError(
      'CONFIGURATION_INVALID',
      `workerThreads() is not right:\n${problems.map((problem) => `  - ${problem}`).join('\n')}`,
    )
  }
  return Object.freeze({
    kind: 'workerThreads',
    count,
    module: module ?? null,
    workerTimeoutMs,
    maxHeapMb,
  } as const)
}

/** The URL of a file, or undefined where `value` does not name one. */
function moduleUrl(value: unknown): string | undefined {
  if (typeof value === 'string' && isAbsolute(value)) return pathToFileURL(value).href
  try {
    const { href } = new URL(String(value))
    // It must lead to a file: nothing else can be loaded.
    fileURLToPath(href)
    return href
  } catch {
    return undefined
  }
}

/**
 * What the option `executor` of a job stands for, or null when it stands for none.
 * @throws OncesinkError CONFIGURATION_INVALID like {@link workerThreads}
 */
export function executorPlanOf(option: unknown): ExecutorPlan | null {
  if (option === undefined || option === 'inline') return Object.freeze({ kind: 'inline' })
  if (!isPlainObject(option) || option.kind !== 'workerThreads') return null
  const { kind: _, ...options } = option
  return workerThreads(options as unknown as WorkerThreadsOptions)
}
