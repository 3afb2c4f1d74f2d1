import { writeFileSync } from 'node:fs'
import { collectThenCommit } from 'oncesink'
import { type ComputedBatch, deliverBatch, type JobSession, type StrategyPlan } from 'oncesink/strategy'

/** What a run has spent where, in milliseconds; written to BENCH_PHASES when the process ends. */
export interface Phases {
  /** The compare-and-set and the ledger, each from its call to its answer; what is beside them in the phases is not. */
  guardsMs: number
  advanceMs: number
  rowsMs: number
  ledgerMs: number
  commitMs: number
}

/** The strategy of a benchmark's job: the default one, that one with its phases summed up, or the one without guards. */
export function strategyOf(name: string): StrategyPlan {
  if (name === 'timed') return timed()
  return name === 'unguarded' ? unguarded() : collectThenCommit()
}

function timed(): StrategyPlan {
  const sums: Phases = { guardsMs: 0, advanceMs: 0, rowsMs: 0, ledgerMs: 0, commitMs: 0 }
  process.once('exit', () => writeFileSync(process.env.BENCH_PHASES ?? '', JSON.stringify(sums)))
  return {
    name: 'timed',
    create(parts) {
      const strategy = collectThenCommit().create({ ...parts, session: timedSession(parts.session, sums) })
      if (strategy.unit !== 'batch') throw new Error('collectThenCommit commits batches')
      return {
        ...strategy,
        async commit(batch: ComputedBatch) {
          const report = await strategy.commit(batch)
          const { phases } = report
          for (const phase of ['advanceMs', 'rowsMs', 'ledgerMs', 'commitMs'] as const)
            sums[phase] += phases[phase]
          return report
        },
      }
    },
  }
}

/** The session, whose transactions add up how long the statements of the guards take. */
function timedSession(session: JobSession, sums: Phases): JobSession {
  const timed = async <T>(work: Promise<T>): Promise<T> => {
    const beganAt = performance.now()
    return work.finally(() => {
      sums.guardsMs += performance.now() - beganAt
    })
  }
  return instead(session, {
    connection: async () => {
      const connection = await session.connection()
      return instead(connection, {
        begin: async (kind) => {
          const trx = await connection.begin(kind)
          return instead(trx, {
            advanceRanges: (...args) => timed(trx.advanceRanges(...args)),
            writeLedger: (...args) => timed(trx.writeLedger(...args)),
          })
        },
      })
    },
  })
}

/** `target` with some of its methods replaced. */
function instead<T extends object>(target: T, methods: Partial<T>): T {
  return new Proxy(target, {
    get(_, name) {
      if (name in methods) return methods[name as keyof T]
      const value: unknown = target[name as keyof T]
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

/**
 * What a sink without exactly-once would do: the rows in a transaction, and nothing else; offsets are in memory only. For
 * comparison, and wrong: a restart would count everything again.
 */
function unguarded(): StrategyPlan {
  return {
    name: 'unguarded',
    create: (parts) => ({
      name: 'unguarded',
      unit: 'batch',
      joinsRanges: true,
      async commit(batch) {
        const connection = await parts.session.connection()
        const trx = await connection.begin('batch')
        const rows = await deliverBatch(trx, parts, batch)
        const { kind } = await trx.commit()
        if (kind !== 'committed') throw new Error(`a COMMIT without guards was ${kind}`)
        return {
          outcomes: batch.results.map(({ range }) => ({ kind, range })),
          rows,
          phases: { advanceMs: 0, rowsMs: 0, ledgerMs: 0, commitMs: 0 },
        }
      },
    }),
  }
}
