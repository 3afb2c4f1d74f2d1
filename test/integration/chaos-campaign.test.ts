import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { Arena } from '../../src/chaos/campaign/arena.ts'
import type { CampaignOutcome, Counts } from '../../src/chaos/campaign/campaign.ts'
import { type FigureName, figures } from '../../src/chaos/campaign/figures.ts'
import { Programs } from '../../src/chaos/campaign/lives/programs.ts'
import { Servers } from '../../src/chaos/campaign/servers.ts'
import { query } from '../../src/chaos/campaign/sql.ts'
import { start } from '../../src/job/start.ts'
import { onEveryEngine, postgresEngine, type TestEngine } from '../support/engines.ts'

/*
 * A fixed share of `npm run test:chaos`, by the same code: what a unit is does not change, only how many there are.
 */

/** Far more than it takes: other tests run beside. */
const LIMIT_MS = 200_000
vi.setConfig({ testTimeout: LIMIT_MS + 60_000 })
const servers = new Servers(() => {})
let programs: Programs
beforeAll(async () => {
  programs = await Programs.build()
})
afterAll(async () => {
  await servers.close()
  programs.remove()
})

/** Runs one campaign, and requires what is required of every one: all that was asked for, and no record lost or repeated. */
async function campaign(name: FigureName, engine: TestEngine, target: number): Promise<CampaignOutcome> {
  const figure = figures.find((candidate) => candidate.name === name)
  if (!figure) throw new Error(`${name} is no figure`)
  const seed = Math.floor(Math.random() * 2 ** 31)
  let told = 0
  const outcome = await figure.run({
    engine: engine.name,
    servers,
    programs,
    target,
    seed,
    signal: AbortSignal.timeout(LIMIT_MS),
    onProgress: (reached) => {
      told = reached
    },
  })
  const { verdict, reached } = outcome
  expect(verdict, `seed ${seed}`).toMatchObject({ lost: 0, duplicated: 0, violations: [], inconclusive: [] })
  expect(verdict.records, `seed ${seed}`).toBeGreaterThan(0)
  expect(verdict.batches, `seed ${seed}`).toBeGreaterThan(0)
  expect(reached, `seed ${seed}`).toBeGreaterThanOrEqual(target)
  expect(told).toBeGreaterThan(0)
  return outcome
}

const sum = (counts: Counts, ...names: string[]) =>
  names.reduce((total, name) => total + (counts[name] ?? 0), 0)

onEveryEngine((engine) => {
  test('a hundred COMMITs whose answers are lost, others that never arrive', async () => {
    const { counts } = await campaign('lost-commits', engine, 100)
    expect(counts['COMMITs never delivered']).toBeGreaterThan(0)
  })

  test('eight jobs killed after they have committed', async () => {
    const { counts, reached } = await campaign('job-kills', engine, 8)
    expect(sum(counts, 'at fault points', 'while COMMIT was on its way', 'at random')).toBe(reached)
  })

  test('a database that is killed twice', async () => {
    const { counts } = await campaign('database-kills', engine, 2)
    expect(sum(counts, 'at fault points', 'while COMMIT was on its way')).toBe(2)
    expect(counts['attempts to reach the database']).toBeGreaterThan(0)
  })

  test('two zombies that wake after their partitions have moved', async () => {
    await campaign('zombies', engine, 2)
  })

  describe('a checker that is given', () => {
    let arena: Arena
    const run = (sql: string) => query(engine.name, arena.url, sql)

    beforeAll(async () => {
      const [serverUrl, kafka] = [await servers.database(engine.name), await servers.kafka()]
      arena = await Arena.open({ engine: engine.name, serverUrl, kafka })
      await arena.produce(60)
      await (await start(arena.job({ maxRecords: 20 }), { once: true })).done
    })
    afterAll(() => arena.close())

    test('the right tables finds nothing', async () => {
      expect(await arena.verify()).toMatchObject({ records: 60, lost: 0, duplicated: 0, violations: [] })
    })

    const positions = engine.own('oncesink_offsets')
    const ledger = engine.own('oncesink_batches')

    test.each([
      {
        falsified: 'a table that lacks a row',
        by: 'DELETE FROM witness WHERE n = 17',
        undo: "INSERT INTO witness VALUES (1, 8, 17, '')",
        found: { lost: 1, duplicated: 0 },
      },
      {
        falsified: 'a table that has a row twice',
        by: "INSERT INTO witness VALUES (0, 9, 18, '')",
        undo: "DELETE FROM witness WHERE n = 18; INSERT INTO witness VALUES (0, 9, 18, '')",
        found: { lost: 0, duplicated: 1 },
      },
      {
        falsified: 'a total that is too high',
        by: 'UPDATE totals SET total = total + 1',
        undo: 'UPDATE totals SET total = total - 1',
        found: {},
      },
      {
        falsified: 'positions that have moved back, and left their records there',
        by: `UPDATE ${positions} SET next_offset = next_offset - 1`,
        undo: `UPDATE ${positions} SET next_offset = next_offset + 1`,
        found: { lost: 0, duplicated: 2 },
      },
      {
        falsified: 'a ledger with a gap between two batches',
        by: `UPDATE ${ledger} SET from_offset = 11 WHERE kind = 'batch' AND from_offset = 10`,
        undo: `UPDATE ${ledger} SET from_offset = 10 WHERE kind = 'batch' AND from_offset = 11`,
        found: {},
      },
      {
        falsified: 'a ledger with a batch that has read other records',
        by: `UPDATE ${ledger} SET digest = digest + 1 WHERE kind = 'batch' AND from_offset = 0`,
        undo: `UPDATE ${ledger} SET digest = digest - 1 WHERE kind = 'batch' AND from_offset = 0`,
        found: { lost: 0, duplicated: 0 },
      },
    ])('$falsified says so', async ({ by, undo, found }) => {
      await run(by)
      const { violations, ...numbers } = await arena.verify()
      expect(violations.length).toBeGreaterThan(0)
      expect(numbers).toMatchObject(found)
      // It was that, and nothing else.
      await run(undo)
      expect(await arena.verify()).toMatchObject({ lost: 0, duplicated: 0, violations: [] })
    })
  })
})

test('programs that keep their positions in Kafka are caught by what finds nothing wrong with oncesink', async () => {
  const { controls = [] } = await campaign('controls', postgresEngine, 5)
  expect(controls).toMatchObject([
    { kind: 'oncesink', lost: 0, duplicated: 0, caught: null },
    { kind: 'committed before', caught: true },
    { kind: 'committed after', caught: true },
    { kind: 'committed after, with callback', caught: true },
  ])
  for (const { kind, lost, duplicated } of controls.slice(1))
    expect(kind === 'committed before' ? lost : duplicated).toBeGreaterThan(0)
})

test('a broker of three that is killed', async () => {
  await campaign('broker-kills', postgresEngine, 1)
})
