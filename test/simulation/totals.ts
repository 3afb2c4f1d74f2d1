import type { OffsetRange } from '../../src/model/offset-range.ts'
import { isPoison, type SimulatedLog } from './log.ts'

/** What the sink table should have: count and sum of offsets, by item. */
export type Totals = Map<string, readonly bigint[]>

/** Adds what the records of a range count. Written for the simulation alone: nothing of it is the job's own code. */
export function addRange(totals: Totals, log: SimulatedLog, { partition, from, until }: OffsetRange): void {
  const values = log.values[partition] ?? []
  for (let offset = Number(from); offset < Number(until); offset += 1) {
    const value = values[offset]
    if (value === null || value === undefined || isPoison(value)) continue
    const [orders = 0n, offsets = 0n] = totals.get(value) ?? []
    totals.set(value, [orders + 1n, offsets + BigInt(offset)])
  }
}

/** Offsets of a range whose records cannot be processed. */
export function poisonOf(log: SimulatedLog, { partition, from, until }: OffsetRange): number[] {
  const values = log.values[partition] ?? []
  const found: number[] = []
  for (let offset = Number(from); offset < Number(until); offset += 1) {
    const value = values[offset]
    if (typeof value === 'string' && isPoison(value)) found.push(offset)
  }
  return found
}

/** Every item of which the two differ, in words. */
export function differences(
  expected: ReadonlyMap<string, readonly bigint[]>,
  actual: ReadonlyMap<string, readonly bigint[]>,
): string[] {
  const found: string[] = []
  for (const [item, want] of expected) {
    const got = actual.get(item)
    if (got?.[0] !== want[0] || got?.[1] !== want[1])
      found.push(`${item}: expected ${want}, got ${got ?? 'nothing'}`)
  }
  for (const [item, got] of actual) {
    if (!expected.has(item)) found.push(`${item}: expected nothing, got ${got}`)
  }
  return found
}
