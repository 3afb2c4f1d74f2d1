import { type Row, runStatements } from '../services/index.ts'
import type { FetchedRange } from '../source/source.ts'
import type { ChaosCheck, CheckedRecord } from './spec.ts'
import type { World } from './world.ts'

/** Differences of one check that are told. */
const MAX_DIFFERENCES = 20

export interface CheckResult {
  readonly name: string
  /** Rows that the query gave. */
  readonly rows: number
  /** Rows that are expected and not there, and rows that are there and not expected, each as often as it is. */
  readonly missing: number
  readonly unexpected: number
  /** The first of them, one sentence each. */
  readonly differences: readonly string[]
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
  return compareRows(check.name, check.expected(records), actual)
}

/** Compares two multisets of rows. */
export function compareRows(name: string, expected: Iterable<Row>, actual: readonly Row[]): CheckResult {
  const counts = new Map<string, { wanted: number; found: number }>()
  const count = (row: Row, side: 'wanted' | 'found') => {
    const text = rowText(row)
    const both = counts.get(text) ?? { wanted: 0, found: 0 }
    counts.set(text, both)
    both[side] += 1
  }
  for (const row of expected) count(row, 'wanted')
  for (const row of actual) count(row, 'found')
  const differences: string[] = []
  let [missing, unexpected] = [0, 0]
  for (const [text, { wanted, found }] of counts) {
    if (wanted === found) continue
    missing += Math.max(0, wanted - found)
    unexpected += Math.max(0, found - wanted)
    if (differences.length < MAX_DIFFERENCES) {
      differences.push(`${text} is there ${times(found)}, and expected ${times(wanted)}`)
    }
  }
  return { name, rows: actual.length, missing, unexpected, differences }
}

/** How many rows are wrong, at least as many as are told of. */
export function wrongRows({ missing, unexpected, differences }: CheckResult): number {
  return Math.max(missing + unexpected, differences.length)
}

function times(count: number): string {
  return count === 1 ? 'once' : count === 0 ? 'not at all' : `${count} times`
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
