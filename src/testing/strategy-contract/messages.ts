import type { OwnFault } from '../../chaos/life/own-fault.ts'
import type { ContractJobSettings } from './contract-job.ts'

/*
 * What a scenario and a process of it say to each other: JSON, a line each.
 */

/** The argument of job-program.ts. */
export interface ProgramOptions {
  readonly job: ContractJobSettings
  /** URL of the module whose default export is the strategy, or a function that makes it. */
  readonly strategy: string
  /** Of the scenario: every process of it is given the same one. */
  readonly directory: string
  /** End when everything is done that was in the log at the start. */
  readonly once: boolean
  readonly fault: OwnFault | null
  /** Before each COMMIT of a claim or a batch, says so and waits for `go`. */
  readonly asksBeforeCommit: boolean
}

/** What a process is told. */
export type ToProcess = { readonly say: 'arm'; readonly fault: OwnFault } | { readonly say: 'go' }

/** What a process tells. */
export type FromProcess =
  | { readonly say: 'claimed'; readonly partitions: readonly number[] }
  | { readonly say: 'batch'; readonly records: number; readonly deadLetters: number }
  | { readonly say: 'batchFailed'; readonly reason: string; readonly error: string | null }
  | { readonly say: 'outcomeSettled'; readonly committed: boolean }
  | { readonly say: 'lost'; readonly partitions: readonly number[] }
  | { readonly say: 'note'; readonly text: string }
  /** Each fault point, when it is reached for the first time. */
  | { readonly say: 'point'; readonly point: string }
  /** The signal follows. */
  | { readonly say: 'fault'; readonly fault: OwnFault }
  | { readonly say: 'committing'; readonly what: 'claim' | 'batch' }
  | { readonly say: 'failed'; readonly code: string; readonly message: string }
