import { type Row, runStatements } from '../services/index.ts'
import type { FetchedRange } from '../source/source.ts'
import type { ChaosCheck, CheckedRecord } from './spec.ts'
import type { World } from './world.ts'

/** Differences of one check that are told. */
const MAX_DIFFERENCES = 20

export interface CheckResult {
  readonly name: string
  readonly rows: number
  /** Rows that are expected and missing, or there and not expected; a changed row is one of each. */
  readonly differences: readonly string[]
  readonly total: number
}

/** The records of the log, for checks that the user has written. */
export class LogRecords {
  readonly #records: CheckedRecord[] = []

  add({ slices }: FetchedRange): void {
    for (const { segment, begin, end } of slices) {
      const { buffer, topic, partition, baseOffset } = segment
      for (let i = begin; i < end; i++) {
        const cut = (starts: Int32Array, ends: Int32Array) => {
          const stop = ends[i] ?? -1
          // A copy: the buffer is a whole response.
          return stop === -1 ? null : Buffer.from(buffer.subarray(starts[i] ?? 0, stop))
        }
        const value = cut(segment.valueStart, segment.valueEnd)
        this.#records.push({
          topic,
          partition,
          offset: BigInt(baseOffset + (segment.offsetDeltas[i] ?? 0)),
          value,
          key: cut(segment.keyStart, segment.keyEnd),
          json: () => JSON.parse(String(value)) as unknown,
        })
      }
    }
  }

  /** In order of topic, partition and offset. */
  sorted(): readonly CheckedRecord[] {
    return this.#records.sort(
      (a, b) =>
        (a.topic < b.topic ? -1 : Number(a.topic > b.topic)) ||
        a.partition - b.partition ||
        Number(a.offset - b.offset),
    )
  }
}

export async function runCheck(
  world: World,
  check: ChaosCheck,
  records: readonly CheckedRecord[],
): Promise<CheckResult> {
  const { engine, url } = world.database
  const actual = await runStatements(engine, url, check.query)
  return compareRows(check.name, [...check.expected(records)], actual)
}

/** Compares two multisets of rows. */
export function compareRows(name: string, expected: readonly Row[], actual: readonly Row[]): CheckResult {
  const counts = new Map<string, number>()
  for (const row of expected) counts.set(rowText(row), (counts.get(rowText(row)) ?? 0) + 1)
  for (const row of actual) counts.set(rowText(row), (counts.get(rowText(row)) ?? 0) - 1)
  const differences: string[] = []
  let total = 0
  for (const [text, count] of counts) {
    if (count === 0) continue
    total += Math.abs(count)
    const times = Math.abs(count) === 1 ? '' : ` (${Math.abs(count)} times)`
    if (differences.length < MAX_DIFFERENCES) {
      differences.push(`${text} is ${count > 0 ? 'expected and missing' : 'there and not expected'}${times}`)
    }
  }
  return { name, rows: actual.length, differences, total }
}

/** `item=a orders=3`, by the names of the columns, so that their order does not matter. */
function rowText(row: Row): string {
  return Object.entries(row)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => `${name}=${valueText(value)}`)
    .join(' ')
}

function valueText(value: unknown): string {
  if (value === null || value === undefined) return 'NULL'
  if (value instanceof Date) return value.toISOString()
  if (Buffer.isBuffer(value)) return value.toString('hex')
  return typeof value === 'object'
    ? JSON.stringify(value)
    : String(value as string | number | bigint | boolean)
}
