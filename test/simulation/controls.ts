import type { Dialect, PositionRow, RangeAdvance, Transaction } from '../../src/database/dialect.ts'
import { OncesinkError } from '../../src/errors.ts'
import { topicPartitionKey } from '../../src/model/topic-partition.ts'
import type { FetchedRange } from '../../src/source/source.ts'
import type { Sabotage } from './life.ts'

/*
 * Negative controls: wrong variants of the protocol, made by wrapping a port or a module. The simulation must find each
 * of them; a checker that never fails proves nothing.
 */

type Wrap = (trx: Transaction, kind: 'claim' | 'batch' | 'snapshot') => Partial<Transaction>

/** `target`, with some of its methods replaced. */
function replacing<T extends object>(target: T, replaced: Partial<T>): T {
  return new Proxy(target, {
    get: (_, name) => {
      const own = (replaced as Record<PropertyKey, unknown>)[name]
      const value = own ?? (target as Record<PropertyKey, unknown>)[name]
      return typeof value === 'function' && own === undefined ? value.bind(target) : value
    },
    set: (_, name, value) => Reflect.set(target, name, value),
  })
}

/** Every transaction of a process, wrapped. */
function wrapping(wrap: Wrap): Sabotage {
  return ({ wrapDialect }) => wrapDialect((dialect) => wrapped(dialect, wrap))
}

function wrapped(dialect: Dialect, wrap: Wrap): Dialect {
  return {
    ...dialect,
    connect: async (name) => {
      const connection = await dialect.connect(name)
      return replacing(connection, {
        begin: async (kind) => {
          const trx = await connection.begin(kind)
          return replacing(trx, wrap(trx, kind))
        },
      })
    },
  }
}

/** A compare-and-set that takes something from the row as it is, instead of comparing it. */
function advancing(uncompared: (advance: RangeAdvance, row: PositionRow) => RangeAdvance): Sabotage {
  return wrapping((trx) => ({
    advanceRanges: async (job, advances) => {
      const rows = await trx.lockPositions(
        job,
        advances.map(({ range }) => range),
      )
      const byKey = new Map(rows.map((row) => [topicPartitionKey(row), row]))
      const loose = advances.map((advance) => {
        const row = byKey.get(topicPartitionKey(advance.range))
        return row ? uncompared(advance, row) : advance
      })
      return trx.advanceRanges(job, loose)
    },
  }))
}

const from = ({ range }: RangeAdvance, row: PositionRow) => ({ ...range, from: row.nextOffset })

/** A COMMIT without an answer is taken for something that it may not be. */
function assuming(kind: 'claim' | 'batch', outcome: 'committed' | 'aborted'): Sabotage {
  return wrapping((trx, of) => {
    if (of !== kind) return {}
    return {
      commit: async () => {
        const result = await trx.commit()
        if (result.kind !== 'unknown') return result
        if (outcome === 'committed') return { kind: 'committed' }
        return { kind: 'aborted', error: new OncesinkError('TRANSACTION_ABORTED', 'no answer') }
      },
    }
  })
}

export const controls = {
  'no-compare-and-set': advancing((advance, row) => ({
    ...advance,
    range: from(advance, row),
    epoch: row.epoch,
    claimId: row.claimId ?? '',
  })),
  'position-not-compared': advancing((advance, row) => ({ ...advance, range: from(advance, row) })),
  /** As a sink does that remembers its positions and fences by epoch. */
  'epoch-only': advancing((advance, row) => ({
    ...advance,
    range: from(advance, row),
    claimId: row.claimId ?? '',
  })),
  'claim-id-not-compared': advancing((advance, row) => ({ ...advance, claimId: row.claimId ?? '' })),
  'lost-answer-assumed-committed': assuming('batch', 'committed'),
  'lost-answer-assumed-aborted': assuming('batch', 'aborted'),
  'claim-used-before-acknowledged': assuming('claim', 'committed'),
  'no-seek-after-claim': ({ source }) => {
    const { seek } = source
    const read = new Set<string>()
    source.drop = () => {}
    source.seek = async (positions) => {
      const fresh = positions.filter((position) => !read.has(topicPartitionKey(position)))
      await seek(fresh)
      for (const position of fresh) read.add(topicPartitionKey(position))
    }
  },
  /** An answer to a fetch that was sent before the latest seek is taken for one that was sent after it. */
  'old-response-accepted': ({ source }) => {
    const { take, seek } = source
    const latest = new Map<string, FetchedRange>()
    const old = new Map<string, FetchedRange>()
    source.seek = (positions) => {
      for (const key of positions.map(topicPartitionKey)) {
        const before = latest.get(key)
        if (before) old.set(key, before)
      }
      return seek(positions)
    }
    source.take = async (limits, signal) =>
      (await take(limits, signal)).map((fetched) => {
        const key = topicPartitionKey(fetched.range)
        const late = old.get(key)
        old.delete(key)
        latest.set(key, fetched)
        if (!late) return fetched
        return {
          ...fetched,
          records: fetched.records + late.records,
          slices: [...late.slices, ...fetched.slices],
        }
      })
  },
  'kept-partitions-claimed-again': ({ claimer }) => {
    const { takeOver } = claimer
    claimer.takeOver = (gained, held, confirm) => takeOver.call(claimer, [...gained, ...held], held, confirm)
  },
  'claim-without-confirmation': ({ claimer }) => {
    const { takeOver } = claimer
    claimer.takeOver = (gained, held, confirm) =>
      takeOver.call(claimer, gained, held, confirm && (() => Promise.resolve(true)))
  },
  /** What a claim reads under the lock of the job is what it had read before. */
  'claims-read-once': wrapping((trx) => {
    let looked: Promise<PositionRow[]> | null = null
    return {
      readPositions: (job) => {
        looked ??= trx.readPositions(job)
        return looked
      },
    }
  }),
  'dead-letters-forgotten': wrapping(() => ({ writeDeadLetters: async () => {} })),
  'ledger-forgotten': wrapping(() => ({ writeLedger: async () => {} })),
  'rows-written-twice': wrapping((trx) => ({
    mergeRows: async (write) => {
      await trx.mergeRows(write)
      return trx.mergeRows(write)
    },
  })),
  'statement-errors-swallowed': wrapping((trx) => ({
    mergeRows: (write) => trx.mergeRows(write).catch(() => write.rows.length),
  })),
} satisfies Record<string, Sabotage>

export type ControlName = keyof typeof controls
export const controlNames = Object.keys(controls) as readonly ControlName[]
