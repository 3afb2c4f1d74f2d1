import type { Engine } from '../../services/index.ts'
import type { Programs } from './lives/programs.ts'
import type { Servers } from './servers.ts'
import type { Verdict } from './verdict.ts'

/** What surrounds one campaign. */
export interface CampaignContext {
  readonly engine: Engine
  readonly servers: Servers
  readonly programs: Programs
  /** What is to be reached, in the campaign's unit. */
  readonly target: number
  /** Decides every chance of the campaign. */
  readonly seed: number
  /** Aborted when the time of the campaign is over, or the program is to end: no new fault, and on to the check. */
  readonly signal: AbortSignal
  /** How far it has come, and what else there is to count. */
  readonly onProgress: (reached: number, counts: Counts) => void
}

export type Counts = Readonly<Record<string, number>>

/** What one campaign has come to. */
export interface CampaignOutcome {
  /** In the campaign's unit. */
  readonly reached: number
  /** What else was counted, by name. */
  readonly counts: Counts
  readonly verdict: Verdict
  /** Of the campaign that has any. */
  readonly controls?: readonly ControlResult[]
}

/** What has become of a program that does it in a wrong way, or of oncesink beside it. */
export interface ControlResult {
  readonly kind: string
  readonly kills: number
  readonly lost: number
  readonly duplicated: number
  /** Whether the checker has found what had to be found; null of oncesink, which has to be found right. */
  readonly caught: boolean | null
  /** Whether the time was over before it was killed as often as it may take to be caught. */
  readonly cutShort?: boolean
}
