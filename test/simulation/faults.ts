import type { FaultPoint } from '../../src/runtime/fault-points.ts'
import { Dice } from './dice.ts'

/*
 * The faults of a seed are a list that is drawn before anything runs. Each names its own moment: a time, or the n-th
 * call of one operation over all processes. So one can be left out, and the others stay what they are.
 */

/** How often each operation is called in a run, on average: what a fault's n-th call is drawn from. */
const databaseOperations = {
  connect: 10,
  describeTable: 8,
  begin: 33,
  lockJob: 8,
  insertJob: 1,
  findJobsWritingTo: 7,
  lockTopics: 7,
  upsertTopic: 1,
  insertStarts: 1,
  lockPositions: 7,
  claimPositions: 7,
  readPositions: 15,
  advanceRanges: 25,
  mergeRows: 24,
  writeLedger: 23,
  commit: 30,
  rollback: 3,
  endBlockers: 1,
  pruneLedger: 2,
} as const

/** Called where records are set aside. */
const deadLetterOperations = { countDeadLetters: 4, writeDeadLetters: 4 } as const

/** Called by some strategies only. */
const strategyOperations = { findBatch: 4, noteLeaderEpochs: 10 } as const

const sourceOperations = {
  describe: 10,
  startOffsets: 1,
  watermarks: 2,
  seek: 6,
  take: 34,
} as const

const membershipOperations = { join: 8, sync: 7, heartbeat: 45, leave: 1 } as const

const claimPoints = {
  'claim.confirmed': 8,
  'claim.before-commit': 7,
  'claim.after-commit': 7,
} as const satisfies Partial<Record<FaultPoint, number>>

const batchPoints = {
  'transaction.begun': 25,
  'transaction.advanced': 25,
  'transaction.rows-written': 25,
  'transaction.ledger-written': 25,
  'transaction.committed': 25,
  'batch.fetched': 27,
  'batch.computed': 27,
  'batch.acknowledged': 25,
} as const satisfies Partial<Record<FaultPoint, number>>

export type DatabaseOperation =
  | keyof typeof databaseOperations
  | keyof typeof deadLetterOperations
  | keyof typeof strategyOperations
export type SourceOperation = keyof typeof sourceOperations
export type MembershipOperation = keyof typeof membershipOperations
/** Whatever a process waits for. */
export type Operation = DatabaseOperation | SourceOperation | MembershipOperation | FaultPoint

/** Faults by where they strike, and how often they are drawn. */
const kinds = {
  /** At any operation or fault point. */
  anywhere: {
    'killed-before': 3,
    'killed-after': 3,
    'stopped-before': 2,
    'stopped-after': 2,
    'clock-jump': 1,
  },
  database: {
    /** The connection is lost before the operation arrives. */
    'request-lost': 3,
    /** The operation is done, and the connection lost before its answer. */
    'answer-lost': 3,
    /** Nothing arrives, and both sides notice late. */
    'half-open': 2,
    slow: 1,
    deadlock: 3,
    'lock-timeout': 2,
    'statement-timeout': 1,
  },
  commit: {
    /** COMMIT never arrives, and no answer comes. */
    'commit-undelivered': 3,
    /** COMMIT is done, and its answer lost. */
    'commit-unanswered': 4,
    /** No answer comes; COMMIT arrives later, unless the session is ended before. */
    'commit-late': 3,
    /** A definite error: nothing is committed. */
    'commit-refused': 1,
  },
  source: { 'source-unavailable': 1, 'source-slow': 1 },
  membership: {
    'group-unavailable': 1,
    /** The coordinator has done it, and is not heard. */
    'group-answer-lost': 1,
  },
  /** At a moment. */
  timed: {
    'owner-joins': 4,
    'owner-leaves': 2,
    'owner-killed': 3,
    'owner-stopped': 4,
    'owner-cut-off': 1,
    'sessions-ended': 1,
    'database-restarts': 1,
    /** A failover to a replica that lacks the latest transactions, acknowledged ones too. */
    'failover-loses-writes': 2,
    'restored-from-backup': 1,
  },
} as const

type Kinds = typeof kinds
export type FaultKind = { [Where in keyof Kinds]: keyof Kinds[Where] }[keyof Kinds]
export type TimedKind = keyof Kinds['timed']

export const faultKinds = Object.values(kinds).flatMap((group) => Object.keys(group)) as readonly FaultKind[]

export interface Fault {
  /** Number in its seed's list. */
  readonly id: number
  readonly kind: FaultKind
  readonly when:
    | { readonly operation: Operation; readonly nth: number }
    /** Simulated milliseconds. */
    | { readonly atMs: number }
  /** How long it lasts, or by how much something is late, in milliseconds. */
  readonly ms: number
  /** In [0, 1): chooses whom it strikes, and how hard. */
  readonly pick: number
}

export interface FaultsWanted {
  /** Faults that come at a moment come before this one, in simulated milliseconds. */
  readonly withinMs: number
  /** Whether processes share the job. */
  readonly isShared: boolean
  readonly hasPoison: boolean
}

/** The faults of a seed. */
export function drawFaults(seed: number, wanted: FaultsWanted): Fault[] {
  const dice = new Dice(seed, 1)
  const count = 4 + dice.below(9)
  return Array.from({ length: count }, (_, id) => {
    const [kind, when] = dice.chance(0.45) ? atSomeMoment(dice, wanted) : atOperation(dice, wanted)
    return { id, kind, when, ms: lengthOf(dice, kind), pick: dice.fraction() }
  })
}

/** What happens to everything around: at any time, or just when some process does something. */
function atSomeMoment(dice: Dice, wanted: FaultsWanted): readonly [FaultKind, Fault['when']] {
  const kind = weighted(dice, kinds.timed)
  if (dice.chance(0.3)) return [kind, nthOf(dice, anywhere(dice, wanted))]
  return [kind, { atMs: dice.between(30, wanted.withinMs) }]
}

function atOperation(dice: Dice, wanted: FaultsWanted): readonly [FaultKind, Fault['when']] {
  const { isShared, hasPoison } = wanted
  const database = { ...databaseOperations, ...(hasPoison && deadLetterOperations) }
  const where = dice.below(10)
  if (where < 4) return [weighted(dice, kinds.anywhere), nthOf(dice, anywhere(dice, wanted))]
  if (where < 6) return [weighted(dice, kinds.database), nthOf(dice, database)]
  if (where < 9) return [weighted(dice, kinds.commit), nthOf(dice, { commit: databaseOperations.commit })]
  if (isShared && dice.chance(0.4))
    return [weighted(dice, kinds.membership), nthOf(dice, membershipOperations)]
  return [weighted(dice, kinds.source), nthOf(dice, sourceOperations)]
}

/** Operations of one part: claiming, which is seldom done and where most can go wrong, is as likely as committing. */
function anywhere(dice: Dice, { isShared, hasPoison }: FaultsWanted): Partial<Record<Operation, number>> {
  const parts: [Partial<Record<Operation, number>>, ...Partial<Record<Operation, number>>[]] = [
    claimPoints,
    batchPoints,
    { ...databaseOperations, ...(hasPoison && deadLetterOperations) },
    { ...sourceOperations, ...(isShared && membershipOperations) },
  ]
  return dice.one(parts)
}

function nthOf(dice: Dice, operations: Partial<Record<Operation, number>>): Fault['when'] {
  const names = Object.keys(operations) as Operation[]
  const operation = names[dice.below(names.length)] ?? 'commit'
  return { operation, nth: 1 + dice.below(operations[operation] ?? 1) }
}

/** Short ones are common; some outlast sessions and time limits, as every second stop of a process does. */
function lengthOf(dice: Dice, kind: FaultKind): number {
  if (dice.chance(kind.includes('stopped') ? 0.5 : 0.6)) return dice.between(5, 400)
  return dice.between(kind.includes('stopped') ? 1_500 : 400, 4_000)
}

function weighted<K extends string>(dice: Dice, weights: Readonly<Record<K, number>>): K {
  const entries = Object.entries(weights) as [K, number][]
  let left = dice.below(entries.reduce((sum, [, weight]) => sum + weight, 0))
  for (const [kind, weight] of entries) {
    left -= weight
    if (left < 0) return kind
  }
  throw new Error('no weights')
}

export type TimedFault = Fault & { readonly kind: TimedKind }

export function isTimed(fault: Fault): fault is TimedFault {
  return fault.kind in kinds.timed
}

export function describeFault({ id, kind, when, ms }: Fault): string {
  const length = kind === 'deadlock' || kind.endsWith('-lost') ? '' : ` (${ms.toFixed(0)} ms)`
  const moment = 'atMs' in when ? `at ${when.atMs.toFixed(1)} ms` : `at call ${when.nth} of ${when.operation}`
  return `#${id} ${kind} ${moment}${length}`
}

/** Counts calls, and hands out the fault whose turn it is. */
export class FaultInjector {
  readonly #byOperation = new Map<Operation, Fault[]>()
  readonly #calls = new Map<Operation, number>()
  /** Those that have struck, in their order. */
  readonly struck: Fault[] = []
  /** False once the faults are to end. */
  isArmed = true
  /** Does to everything around what comes at a moment. @returns whether there was anything to strike */
  strikeAround: (fault: TimedFault) => boolean = () => false

  constructor(faults: readonly Fault[]) {
    for (const fault of faults) {
      if (!('operation' in fault.when)) continue
      const { operation } = fault.when
      const known = this.#byOperation.get(operation)
      if (known) known.push(fault)
      else this.#byOperation.set(operation, [fault])
    }
  }

  /** To be called once per call of the operation. */
  next(operation: Operation): Fault | null {
    const calls = (this.#calls.get(operation) ?? 0) + 1
    this.#calls.set(operation, calls)
    if (!this.isArmed) return null
    const due = this.#byOperation
      .get(operation)
      ?.find(({ when }) => 'operation' in when && when.nth === calls)
    if (!due) return null
    if (isTimed(due)) {
      this.strikeNow(due)
      return null
    }
    this.struck.push(due)
    return due
  }

  strikeNow(fault: TimedFault): void {
    if (this.isArmed && this.strikeAround(fault)) this.struck.push(fault)
  }

  /** Calls by operation. */
  get calls(): ReadonlyMap<Operation, number> {
    return this.#calls
  }
}
