/** A change of one place of the source. Exact text survives other edits of the file better than the lines of a diff. */
export interface Edit {
  /** Below the root of the project. */
  readonly file: string
  /** Must occur exactly once. */
  readonly find: string
  readonly replace: string
}

/** What has to notice a mutant. */
export type Killer =
  /** The simulation, with one of its first seeds. */
  | { readonly kind: 'simulation'; readonly seeds: number }
  /** Tests of one file: those whose full name (of its describes and its own) has `test` in it. */
  | { readonly kind: 'unit' | 'integration'; readonly file: string; readonly test: string }

/** A copy of oncesink with one thing wrong. */
export interface Mutant {
  readonly name: string
  /** What goes wrong with it. */
  readonly breaks: string
  readonly edits: readonly Edit[]
  readonly killedBy: Killer
}

/** So few seeds that it takes a second or two. */
const FEW_SEEDS = 100

export const simulation = (seeds = FEW_SEEDS): Killer => ({ kind: 'simulation', seeds })
export const unit = (file: string, test: string): Killer => ({
  kind: 'unit',
  file: `test/unit/${file}`,
  test,
})
export const integration = (file: string, test: string): Killer => ({
  kind: 'integration',
  file: `test/integration/${file}`,
  test,
})

/** Whether it is killed within a second or two, without services. */
export function isFast({ killedBy }: Mutant): boolean {
  return killedBy.kind === 'simulation' && killedBy.seeds <= FEW_SEEDS
}
