import type { VerifyReport } from '../check/conclusion.ts'
import type { ExitCode } from '../errors.ts'
import type { Engine } from '../services/index.ts'
import type { CheckResult } from './checks.ts'
import type { HistoryEntry } from './history.ts'
import type { Intensity } from './options.ts'

/**
 * - `ok`: faults were injected, work was done, and everything that can be checked holds;
 * - `violation`: something contradicts the promise;
 * - `inconclusive`: nothing contradicts, and something could not be checked, or nothing was put to the test.
 */
export type ChaosOutcome = 'ok' | 'violation' | 'inconclusive'

export interface FaultReport {
  readonly name: string
  readonly title: string
  /** How often it has really happened. */
  readonly count: number
  /** Why it was left out; null where it was not. */
  readonly unfit: string | null
}

export interface ChaosViolation {
  readonly class: string
  /** One sentence with the values that contradict each other. */
  readonly message: string
  /** Faults that had happened shortly before, the nearest first. */
  readonly nearby: readonly string[]
}

export interface ChaosResult {
  readonly job: string
  readonly jobFile: string
  readonly engine: Engine
  readonly outcome: ChaosOutcome
  readonly exitCode: ExitCode
  readonly seed: number
  readonly intensity: Intensity
  readonly faults: readonly FaultReport[]
  /** Sum of all counts. */
  readonly injected: number
  readonly violations: readonly ChaosViolation[]
  /** Violations in all; {@link violations} has the first ones. */
  readonly violationCount: number
  /** Why the outcome is not `ok` although nothing contradicts. */
  readonly inconclusive: readonly string[]
  /** Records lost and counted twice; null where no table tells. */
  readonly lost: number | null
  readonly duplicated: number | null
  /**
   * Records sent to the topics outside of transactions, and records read again from them for the comparison: these are
   * more by what transactions have committed, and by what was sent twice while brokers were away.
   */
  readonly sent: number
  readonly recordsReplayed: number
  readonly batches: number
  /** Commits that some process has told of. */
  readonly commits: number
  /** Processes that were begun. */
  readonly lives: number
  /** Moments at which the running system was looked at. */
  readonly looks: number
  /** From the end of the last fault to the last record's commit, in milliseconds; null where it was not reached. */
  readonly drainedAfterMs: number | null
  readonly checks: readonly CheckResult[]
  readonly verify: VerifyReport
  readonly durationMs: number
  readonly versions: Readonly<Record<string, string>>
  /** The command that runs the same faults again. */
  readonly replay: string
  readonly history: readonly HistoryEntry[]
}
