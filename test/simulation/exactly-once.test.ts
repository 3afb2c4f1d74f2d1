import { describe, expect, test } from 'vitest'
import type { PositionRow, RangeAdvance } from '../../src/database/dialect.ts'
import { perPartition } from '../../src/strategy/per-partition.ts'
import { repartitionToOne } from '../../src/strategy/repartition-to-one.ts'
import { runScenario, type ScenarioOptions } from './scenario.ts'

const SEEDS = 600
const POISON_SEEDS = 200
const STREAM_SEEDS = 80
const PER_PARTITION_SEEDS = 120

describe('the driver, the claim and the commit protocol over a database that fails', () => {
  test(`every record counts exactly once in ${SEEDS} seeded histories of crashes, take-overs, lost answers and lost writes`, async () => {
    const totals = { crashes: 0, takeOvers: 0, rewinds: 0, fenced: 0, unknown: 0, batches: 0 }
    for (let seed = 1; seed <= SEEDS; seed += 1) {
      const result = await runScenario(seed)
      expect(result.violations, `seed ${seed}\n${result.history.join('\n')}`).toEqual([])
      for (const name of Object.keys(totals) as (keyof typeof totals)[]) totals[name] += result.counts[name]
    }
    // A storm in which nothing happened proves nothing.
    for (const [name, total] of Object.entries(totals)) expect(total, name).toBeGreaterThan(SEEDS / 10)
  })

  test(`every record that cannot be processed is a dead letter exactly once in ${POISON_SEEDS} such histories, and no other record is`, async () => {
    const totals = { crashes: 0, takeOvers: 0, rewinds: 0, unknown: 0, deadLetters: 0 }
    for (let seed = 1; seed <= POISON_SEEDS; seed += 1) {
      const result = await runScenario(seed, { poison: true })
      expect(result.violations, `seed ${seed}\n${result.history.join('\n')}`).toEqual([])
      for (const name of Object.keys(totals) as (keyof typeof totals)[]) totals[name] += result.counts[name]
    }
    for (const [name, total] of Object.entries(totals)) expect(total, name).toBeGreaterThan(POISON_SEEDS / 10)
  })

  test(`every record counts exactly once, and poison is set aside once, in ${STREAM_SEEDS} histories of batches that are streamed`, async () => {
    const strategy = repartitionToOne({ chunkRecords: 5, maxStallMs: 2_000 })
    const totals = { crashes: 0, takeOvers: 0, rewinds: 0, fenced: 0, unknown: 0, batches: 0, deadLetters: 0 }
    for (let seed = 1; seed <= STREAM_SEEDS; seed += 1) {
      const result = await runScenario(seed, { strategy, poison: seed % 2 === 0 })
      expect(result.violations, `seed ${seed}\n${result.history.join('\n')}`).toEqual([])
      for (const name of Object.keys(totals) as (keyof typeof totals)[]) totals[name] += result.counts[name]
    }
    for (const [name, total] of Object.entries(totals)) expect(total, name).toBeGreaterThan(STREAM_SEEDS / 10)
  })

  test.each([
    { poison: false, connections: 2 },
    { poison: true, connections: 3 },
  ])(
    `so it is where each partition's range commits by itself: $connections at once, poison $poison`,
    async ({ poison, connections }) => {
      const totals = { crashes: 0, takeOvers: 0, rewinds: 0, unknown: 0, batches: 0 }
      for (let seed = 1; seed <= PER_PARTITION_SEEDS; seed += 1) {
        const result = await runScenario(seed, { poison, strategy: perPartition({ connections }) })
        expect(result.violations, `seed ${seed}\n${result.history.join('\n')}`).toEqual([])
        for (const name of Object.keys(totals) as (keyof typeof totals)[]) totals[name] += result.counts[name]
      }
      for (const [name, total] of Object.entries(totals))
        expect(total, name).toBeGreaterThan(PER_PARTITION_SEEDS / 10)
    },
  )

  test('the same seed gives the same history', async () => {
    const [a, b] = [await runScenario(7), await runScenario(7)]
    expect(a.history).toEqual(b.history)
    expect(a.history.length).toBeGreaterThan(20)
  })
})

describe('the simulation finds broken protocols', () => {
  const caught = async (sabotage: NonNullable<ScenarioOptions['sabotage']>, poison = false) => {
    for (let seed = 1; seed <= SEEDS; seed += 1) {
      const { violations } = await runScenario(seed, { sabotage, poison })
      if (violations.length > 0) return true
    }
    return false
  }

  test('a compare-and-set that does not compare the position is caught', async () => {
    expect(
      await caught(({ database }) =>
        breakAdvance(database, (row, { range }) => ({ ...row, nextOffset: range.from })),
      ),
    ).toBe(true)
  })

  test('a compare-and-set that compares neither epoch nor claim id nor position is caught', async () => {
    expect(
      await caught(({ database }) =>
        breakAdvance(database, (row, { range, epoch, claimId }) => ({
          ...row,
          nextOffset: range.from,
          epoch,
          claimId,
        })),
      ),
    ).toBe(true)
  })

  test.each(['outside', 'forgotten'] as const)(
    'dead letters written %s of the transaction of their range are caught',
    async (how) => {
      expect(
        await caught(({ database }) => {
          database.deadLetters = how
        }, true),
      ).toBe(true)
    },
  )
})

type Advance = RangeAdvance

/** Makes the database's compare-and-set see a row that was tampered with. */
function breakAdvance(
  database: { tamper: ((row: PositionRow, advance: Advance) => PositionRow) | null },
  tamper: (row: PositionRow, advance: Advance) => PositionRow,
): void {
  database.tamper = tamper
}
