import { commitBatch } from '../database/protocol/commit-batch.ts'
import type { JobSession } from '../database/protocol/session.ts'
import { OncesinkError } from '../errors.ts'
import type { PartitionResult } from '../executor/executor.ts'
import type { Claim } from '../model/claim.ts'
import { describeValue } from '../model/excerpt.ts'
import { unknownOption } from '../model/known-options.ts'
import { isPlainObject } from '../model/plain-object.ts'
import { deliverPartials } from './deliver-partials.ts'
import { SessionPool } from './session-pool.ts'
import type {
  CommitReport,
  ComputedBatch,
  ComputedStrategy,
  StrategyParts,
  StrategyPlan,
} from './strategy.ts'

export interface PerPartitionOptions {
  /**
   * Connections on which ranges commit at once, beside the one on which the job claims partitions. Partitions beyond
   * that number wait in turn. @default 4, 1 to 100
   */
  readonly connections?: number | undefined
}

const DEFAULT_CONNECTIONS = 4
const MAX_CONNECTIONS = 100

/**
 * Each partition's range is a transaction of its own, with a batch id of its own; they commit at once, over a bounded
 * number of connections. A range that fails is rolled back and run again by itself, and the other partitions go on.
 * Atomic unit: one partition's range.
 *
 * A sink sees one partition's rows at a time, and those of several partitions at once, as if every partition had a
 * process of its own: see docs/operations.md for what that means to each of them.
 *
 * @throws OncesinkError CONFIGURATION_INVALID for a number of connections out of range, or an unknown option
 */
export function perPartition(options: PerPartitionOptions = {}): StrategyPlan {
  const connections = connectionsOf(options)
  return Object.freeze({
    name: 'perPartition',
    connections,
    create: (parts: StrategyParts) => create(parts, connections),
  })
}

function connectionsOf(options: PerPartitionOptions): number {
  if (!isPlainObject(options)) {
    throw invalid(`it takes an object such as { connections: 8 }, but is given ${describeValue(options)}`)
  }
  const wrong = unknownOption('perPartition', options, ['connections'])
  if (wrong !== null) throw new OncesinkError('CONFIGURATION_INVALID', wrong)
  const { connections = DEFAULT_CONNECTIONS } = options as PerPartitionOptions
  if (Number.isInteger(connections) && connections >= 1 && connections <= MAX_CONNECTIONS) return connections
  throw invalid(
    `'connections' must be a whole number from 1 to ${MAX_CONNECTIONS}, but is ${describeValue(connections)}`,
  )
}

function invalid(message: string): OncesinkError {
  return new OncesinkError('CONFIGURATION_INVALID', `perPartition(): ${message}.`)
}

function create({ session, pipelines }: StrategyParts, connections: number): ComputedStrategy {
  const pool = new SessionPool(session, connections)

  async function commitRange(
    own: JobSession,
    batch: ComputedBatch,
    result: PartitionResult,
    claim: Claim,
  ): Promise<CommitReport> {
    const { range, records, deadLetters, leaderEpoch } = result
    const { batchId, deadLetterLimit } = batch
    const info = { batchId, job: own.job, ranges: [range], records, deadLetters: deadLetters.length }
    const ranges = [{ range, claim, leaderEpoch }]
    const report = await commitBatch(own, { batchId, ranges, deadLetterLimit }, async (trx) => ({
      rows: await deliverPartials(trx, pipelines, result.partials, info),
      contents: [result],
    }))
    const { outcomes, rows, ...phases } = report
    return { outcomes, rows, phases }
  }

  return {
    name: 'perPartition',
    unit: 'range',
    async commit(batch) {
      const reports = await Promise.all(
        claimed(batch).map(([result, claim]) => pool.use((own) => commitRange(own, batch, result, claim))),
      )
      return together(reports)
    },
    close: () => pool.close(),
  }
}

/** The driver gives one range at a time; others may give more, which then commit at once. */
function together(reports: readonly CommitReport[]): CommitReport {
  const longest = (phase: keyof CommitReport['phases']) =>
    Math.max(...reports.map(({ phases }) => phases[phase]))
  return {
    outcomes: reports.flatMap(({ outcomes }) => outcomes),
    rows: reports.reduce((sum, { rows }) => sum + rows, 0),
    phases: {
      advanceMs: longest('advanceMs'),
      rowsMs: longest('rowsMs'),
      ledgerMs: longest('ledgerMs'),
      commitMs: longest('commitMs'),
    },
  }
}

function claimed({ results, claims }: ComputedBatch): [PartitionResult, Claim][] {
  return results.flatMap((result, i) => {
    const claim = claims[i]
    return claim ? [[result, claim] as [PartitionResult, Claim]] : []
  })
}
