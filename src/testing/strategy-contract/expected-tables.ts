import type { LoggedEntry } from './contract-log.ts'

/** What the tables of contract-job.ts hold; each row is a text, each list is sorted. */
export interface TableContents {
  /** append: one row per record, without any key. */
  readonly witness: readonly string[]
  /** merge: records and sum of each key. */
  readonly totals: readonly string[]
  /** upsert: the last value of each key of each partition. */
  readonly latest: readonly string[]
  /** write: one row per record, without any key. */
  readonly noted: readonly string[]
  /** writeResult: what its calls have added up to. */
  readonly sums: readonly string[]
  readonly deadLetters: readonly string[]
}

/** Computes the tables anew, in one go, from everything that the positions say is done. */
export function expectedTables(entries: readonly LoggedEntry[]): TableContents {
  const good = entries.filter(({ poison }) => poison === undefined)
  const totals = new Map<string, { records: number; total: number }>()
  const latest = new Map<string, number>()
  for (const { k, v, partition } of good) {
    const { records, total } = totals.get(k) ?? { records: 0, total: 0 }
    totals.set(k, { records: records + 1, total: total + v })
    latest.set(`${partition}: ${k}`, v)
  }
  const total = good.reduce((sum, { v }) => sum + v, 0)
  return {
    witness: good.map(({ partition, offset, v }) => `${partition}/${offset} ${v}`).sort(),
    totals: [...totals].map(([k, row]) => `${k} ${row.records} ${row.total}`).sort(),
    latest: [...latest].map(([k, v]) => `${k} ${v}`).sort(),
    noted: good.map(({ partition, offset }) => `${partition}/${offset}`).sort(),
    sums: [`${good.length} ${total} ${good.length}`],
    deadLetters: entries
      .flatMap(({ partition, offset, poison }) =>
        poison
          ? `${partition}/${offset} ${poison === 'throws' ? 'JOB_FUNCTION_FAILED' : 'ROWS_REJECTED'}`
          : [],
      )
      .sort(),
  }
}

/** At most so many rows of one table are named. */
const NAMED = 5

/** How `actual` differs from what it must be, in sentences; empty where it does not. */
export function differences(actual: TableContents, expected: TableContents): string[] {
  const names = Object.keys(expected) as (keyof TableContents)[]
  return names.flatMap((name) => {
    const [has, wants] = [counted(actual[name]), counted(expected[name])]
    const wrong = [...new Set([...has.keys(), ...wants.keys()])].flatMap((row) => {
      const [times, due] = [has.get(row) ?? 0, wants.get(row) ?? 0]
      if (times === due) return []
      return times < due ? `lost: ${row}` : due === 0 ? `not due: ${row}` : `${times} times: ${row}`
    })
    if (wrong.length === 0) return []
    const more = wrong.length > NAMED ? `, and ${wrong.length - NAMED} more` : ''
    return `${name}: ${wrong.slice(0, NAMED).join(', ')}${more}`
  })
}

function counted(rows: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>()
  for (const row of rows) counts.set(row, (counts.get(row) ?? 0) + 1)
  return counts
}
