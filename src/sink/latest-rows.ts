import { groupText, type KeyColumns } from '../aggregation/group-key.ts'
import type { LatestRow, RowOrigin } from '../aggregation/partial-result.ts'
import { describeValue } from '../model/excerpt.ts'
import type { RecordMeta } from '../model/record-meta.ts'
import type { ColumnValue } from '../model/values.ts'
import type { UpsertKey, UpsertPlan } from './sink-plan.ts'
import { type StoredRow, storedRow } from './stored-row.ts'

/** The last value of each key, of the records of one range. */
export class LatestRows {
  readonly latest = new Map<string, LatestRow>()
  readonly #plan: UpsertPlan
  readonly #columns: KeyColumns

  constructor(plan: UpsertPlan, columns: KeyColumns) {
    this.#plan = plan
    this.#columns = columns
  }

  /** @throws Error with the reason why `value` cannot become the row of its key */
  push(value: unknown, meta: RecordMeta<unknown>): void {
    const { keys, tombstones } = this.#plan
    if (value === null && tombstones === 'skip') return
    if (value === null && tombstones === 'fail') {
      throw new Error(
        "there is no row but null (a tombstone): say with tombstones: 'delete' or 'skip' what that means, or filter it out",
      )
    }
    const row =
      value === null
        ? null
        : storedRow(
            value,
            keys.every(({ select }) => select !== null),
          )
    const values = keys.map((key, i) => {
      const found = key.select ? key.select(meta) : row && ownField(row, key.name)
      try {
        return this.#columns.accept(found, i)
      } catch (error) {
        throw new Error(`key '${key.name}': ${(error as Error).message}`, { cause: error })
      }
    })
    if (row) refuseOtherKeys(keys, values, row)
    const origin: RowOrigin['partition'] = meta.partition
    this.latest.set(groupText(values), { keys: values, row, topic: meta.topic, partition: origin })
  }
}

/** A field that is named like a key made of meta data goes into the same column. */
function refuseOtherKeys(keys: readonly UpsertKey[], values: readonly ColumnValue[], row: StoredRow): void {
  for (const [i, { name, select }] of keys.entries()) {
    const field = select ? ownField(row, name) : undefined
    if (field === undefined || sameValue(field, values[i] ?? null)) continue
    throw new Error(
      `the row's field '${name}' is ${describeValue(field)}, but its key is ${describeValue(values[i])}: leave the field out with map()`,
    )
  }
}

function ownField(row: StoredRow, name: string): ColumnValue | undefined {
  return Object.hasOwn(row, name) ? row[name] : undefined
}

function sameValue(a: ColumnValue, b: ColumnValue): boolean {
  return a instanceof Date && b instanceof Date ? a.getTime() === b.getTime() : a === b
}
