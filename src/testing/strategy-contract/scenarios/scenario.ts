import type { ContractWorld } from '../contract-world.ts'

/** One scenario of the contract, for one strategy. */
export interface Scenario {
  /** Continues the name of the strategy, as in "perPartition on MySQL: ...". */
  readonly name: string
  /**
   * Brings the faults about and checks what came of them.
   * @param strategy URL of its module
   * @throws Error what is wrong; a scenario that could not bring its faults about fails too
   */
  run(world: ContractWorld, strategy: string): Promise<void>
}
