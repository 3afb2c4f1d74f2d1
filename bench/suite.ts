import type { Engine } from '../src/services/index.ts'

/*
 * A suite measures one workload. Its contestants (cases of oncesink, and what they are measured against) run in turns,
 * so that all of them meet the same minutes of the machine; its rows say what is computed from one turn, and the target.
 */

export interface Suite {
  /** What it is called on the command line. */
  readonly name: string
  readonly title: string
  /** Databases that it can be run on; the first is the default. */
  readonly engines: readonly Engine[]
  /** How many turns it takes where `--runs` are asked for. Default: as many. */
  readonly turns?: (runs: number) => number
  open(settings: SuiteSettings): Promise<OpenSuite>
}

export interface SuiteSettings {
  readonly engine: Engine
  /** Records of the workload; a suite may round up. */
  readonly records: number
  /** Where CPU profiles are written; null for none. */
  readonly profileDir: string | null
  /** Says on standard error what goes on. */
  readonly log: (message: string) => void
}

export interface OpenSuite {
  readonly contestants: readonly Contestant[]
  readonly rows: readonly Row[]
  close(): Promise<void>
}

export interface Contestant {
  readonly name: string
  /**
   * Runs once and checks what it has written.
   * @throws Error when the result is wrong: a fast wrong answer is none
   */
  run(): Promise<Sample>
}

/** What one run has shown: `value` is the figure, the rest is printed beside it. */
export interface Sample {
  readonly value: number
  /** Other figures of the same run, by name. */
  readonly figures?: Readonly<Record<string, number>>
  readonly peakRssMib?: number
  readonly cpuSeconds?: number
}

/** A line of the target table. */
export interface Row {
  readonly id: string
  readonly title: string
  /** Null for what is only worth knowing. */
  readonly target: Target | null
  /** Whether the 95 % interval of the mean is printed too. */
  readonly interval?: true
  /** The figure of one turn, from the figures of its contestants: their values, or other figures by name. */
  of(figure: (contestant: string, name?: string) => number): number
}

export type Target = { readonly atLeast: number } | { readonly atMost: number }
