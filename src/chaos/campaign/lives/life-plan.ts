import type { FaultPoint } from '../../../runtime/fault-points.ts'
import type { OwnFault } from '../../life/own-fault.ts'
import type { JobSpec } from '../witness-job.ts'

export interface LifeFault extends OwnFault {
  readonly point: FaultPoint
  /** So many milliseconds after it was reached. Default: before anything else happens. */
  readonly delayMs?: number
}

export interface LifePlan {
  readonly spec: JobSpec
  /** Armed when the first batch has committed. */
  readonly fault?: LifeFault
}

/** The wrong ways to keep positions, see ../controls.ts. */
export type ControlKind = 'committed before' | 'committed after' | 'committed after, with callback'

/** A life of a program that does it in a wrong way. */
export interface ControlPlan {
  readonly spec: JobSpec
  readonly kind: ControlKind
}

/** What a life says of itself. */
export type LifeLine =
  | { readonly event: 'claimed'; readonly nextOffsets: readonly (readonly [number, number])[] }
  | { readonly event: 'lost'; readonly partitions: readonly number[] }
  | { readonly event: 'batch'; readonly records: number }
  | { readonly event: 'fault'; readonly point: string }
