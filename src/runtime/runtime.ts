import { type Clock, systemClock } from './clock.ts'
import { type FaultPoints, noFaults } from './fault-points.ts'
import { type Random, systemRandom } from './random.ts'

/** Everything that makes two runs of the same code differ: time, chance and faults. Handed in, never ambient. */
export interface Runtime {
  readonly clock: Clock
  readonly random: Random
  readonly faultPoints: FaultPoints
}

export const systemRuntime: Runtime = { clock: systemClock, random: systemRandom, faultPoints: noFaults }
