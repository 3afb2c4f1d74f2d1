import type { Engine } from '../services/index.ts'
import type { ChaosSpec } from './spec.ts'

/** How close faults follow each other. */
export type Intensity = 'low' | 'medium' | 'high'
export const intensities = ['low', 'medium', 'high'] as const satisfies readonly Intensity[]

export interface ChaosOptions {
  /** Path of the job's file. */
  readonly job: string
  /** Where the job's database runs. @default the one that the job names: postgres, or mysql */
  readonly engine?: Engine | undefined
  /** Names of nemeses, or `all`. @default all that need no second broker */
  readonly faults?: readonly string[] | undefined
  /** How long faults are injected, in milliseconds. @default 60000, from 1000 */
  readonly durationMs?: number | undefined
  /** Decides which faults come in which order, their measures, and the records. @default a random one, which is told */
  readonly seed?: number | undefined
  /** @default 'medium' */
  readonly intensity?: Intensity | undefined
  /** Processes of the job. @default 2; 1 for a job with `assignment: 'all'` */
  readonly members?: number | undefined
  /** Records per second. @default 1000, from 1 */
  readonly ratePerSecond?: number | undefined
  /** What records look like and what else belongs to the job. @default the file beside the job's, see {@link ChaosSpec} */
  readonly spec?: ChaosSpec | string | undefined
  /**
   * Servers of yours in place of those that the run starts. It makes topics and a database of its own there, and removes
   * them in the end; faults that harm a server itself are left out. @default the run starts its own
   */
  readonly servers?: { readonly brokers: readonly string[]; readonly databaseUrl: string } | undefined
  /** Whether every record leaves a witness, in the transaction of its batch. @default true */
  readonly witness?: boolean | undefined
  /** How long the job may take to commit everything once all is healed, in milliseconds. @default 60000 */
  readonly drainMs?: number | undefined
  /** Aborting it ends the run; nothing is left behind. */
  readonly signal?: AbortSignal | undefined
  /** How far the run is, twice a second while faults are injected. */
  readonly onStatus?: ((status: ChaosStatus) => void) | undefined
  /** One line for people, as things happen. */
  readonly onProgress?: ((message: string) => void) | undefined
}

export interface ChaosStatus {
  /** Since the first fault could happen, in milliseconds, of {@link durationMs}. */
  readonly elapsedMs: number
  readonly durationMs: number
  readonly faults: number
  readonly commits: number
  /** Records that were told to be committed. */
  readonly records: number
  /** Processes that were begun. */
  readonly lives: number
  /** What has happened last, as `kill: SIGKILL of a#1 ...`; null before the first fault. */
  readonly lastFault: string | null
}
