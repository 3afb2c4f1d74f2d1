import { describe, expect, test } from 'vitest'
import type { FaultPoint } from '../../src/runtime/fault-points.ts'
import { SeededRandom } from '../../src/runtime/seeded-random.ts'
import { proxiedDatabase } from '../support/database-proxy.ts'
import { onEveryEngine, type TestEngine } from '../support/engines.ts'
import { drain, observe, openBench, withFaults } from '../support/running-job.ts'

/** Records in batches of ten; the job reaches the database through a proxy. */
async function benchBehindProxy(engine: TestEngine, stem: string, batches: number) {
  const bench = await openBench(stem, { engine })
  const { proxy, url } = await proxiedDatabase(bench.database.url)
  await bench.produce(batches * 10)
  // A fetch that waits at the broker delays the reading after a seek.
  const source = { fetch: { maxWaitMs: 20 } }
  const job = bench.job({ url, source, limits: { maxRecordsPerBatch: 10 } })
  return { bench, proxy, job }
}

/** Calls `fault` at every `nth` time that `point` is reached. */
function everyNth(nth: number, point: FaultPoint, fault: () => void) {
  let reached = 0
  return withFaults((at) => {
    if (at === point && ++reached % nth === 0) fault()
  })
}

/** The default tables, where one statement may add no more than four rows to `seen`. */
function fourAtMost({ name, types: { text } }: TestEngine): string {
  const tables = `
    CREATE TABLE totals (k ${text} PRIMARY KEY, n bigint NOT NULL, total bigint NOT NULL);
    CREATE TABLE seen ("partition" int NOT NULL, log_offset bigint NOT NULL, v bigint NOT NULL);`
  if (name === 'postgres') {
    return `${tables}
      CREATE FUNCTION at_most_four() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF (SELECT count(*) FROM arrived) > 4 THEN RAISE check_violation; END IF; RETURN NULL; END $$;
      CREATE TRIGGER t AFTER INSERT ON seen REFERENCING NEW TABLE AS arrived
        FOR EACH STATEMENT EXECUTE FUNCTION at_most_four()`
  }
  // No triggers for statements there; rows of one statement have one time.
  return `${tables}
    CREATE TABLE arrived (moment datetime(6) NOT NULL PRIMARY KEY, n int NOT NULL CHECK (n <= 4));
    CREATE TRIGGER t AFTER INSERT ON seen FOR EACH ROW
      INSERT INTO arrived VALUES (NOW(6), 1) ON DUPLICATE KEY UPDATE n = n + 1`
}

onEveryEngine((engine) => {
  describe('the COMMIT of a batch', () => {
    test('whose answer is lost is neither repeated nor dropped, twenty times in a row', async () => {
      const { bench, proxy, job } = await benchBehindProxy(engine, 'lost-answer', 20)
      const runtime = everyNth(1, 'transaction.ledger-written', () => proxy.cutAfterCommit())
      const { heard } = await drain(job, { runtime })
      expect(proxy.injected.cutAfterCommit).toBe(20)
      expect(heard.outcomeSettled.map(({ committed }) => committed)).toEqual(Array(20).fill(true))
      expect(heard.batchFailed.every(({ reason }) => reason === 'unknown')).toBe(true)
      expect(await bench.actual()).toEqual(bench.expected())
    })

    test('that never arrived is run again', async () => {
      const { bench, proxy, job } = await benchBehindProxy(engine, 'lost-commit', 10)
      const runtime = everyNth(2, 'transaction.ledger-written', () => proxy.cutBeforeCommit())
      const { heard } = await drain(job, { runtime })
      expect(proxy.injected.cutBeforeCommit).toBeGreaterThanOrEqual(9)
      expect(heard.outcomeSettled).toHaveLength(proxy.injected.cutBeforeCommit)
      expect(heard.outcomeSettled.some(({ committed }) => committed)).toBe(false)
      expect(await bench.actual()).toEqual(bench.expected())
    })

    test('counts once under every mix of lost answers, lost COMMITs and resets', async () => {
      const { bench, proxy, job } = await benchBehindProxy(engine, 'mix', 24)
      // As likely as must be for each of them to come about.
      const [cut, reset] = [0.3, 0.08]
      const faults: readonly (readonly [FaultPoint, number, () => void])[] = [
        ['transaction.ledger-written', cut, () => proxy.cutAfterCommit()],
        ['transaction.ledger-written', cut, () => proxy.cutBeforeCommit()],
        ['transaction.begun', reset, () => proxy.reset()],
        ['transaction.advanced', reset, () => proxy.reset()],
        ['transaction.copying', reset, () => proxy.reset()],
        ['transaction.rows-written', reset, () => proxy.reset()],
        ['transaction.committed', reset, () => proxy.reset()],
        ['claim.after-commit', reset, () => proxy.reset()],
      ]
      const seed = Math.floor(Math.random() * 2 ** 31)
      const random = new SeededRandom(seed)
      const runtime = withFaults((point) => {
        for (const [at, chance, fault] of faults) if (at === point && random.fraction() < chance) fault()
      })
      await drain(job, { runtime })
      const { blackhole: _, ...injected } = proxy.injected
      expect(Math.min(...Object.values(injected)), `seed ${seed}`).toBeGreaterThan(0)
      expect(await bench.actual(), `seed ${seed}`).toEqual(bench.expected())
    })

    test('whose answer is lost while a rejected batch is bisected does not leave the job waiting', async () => {
      // The batch is refused as a whole, and its halves are not: nothing in it is wrong.
      const bench = await openBench('bisected', { engine, partitions: 2, tables: '' })
      await bench.database.run(fourAtMost(engine))
      await bench.produce(Array.from({ length: 8 }, (_, i) => ({ k: `k${i}`, v: i })))
      const { proxy, url } = await proxiedDatabase(bench.database.url)
      const runtime = everyNth(1, 'transaction.ledger-written', () => proxy.cutAfterCommit())
      const { heard } = await observe(bench.job({ url }), { runtime })
      await bench.untilCommitted(5_000)
      // What comes after the bisected batch is read again, from all partitions.
      await bench.produce([{ k: 'after', v: 1 }], 0)
      await bench.produce([{ k: 'behind', v: 1 }], 1)
      await bench.untilCommitted(5_000)
      expect(heard.batchFailed.filter(({ reason }) => reason === 'aborted')).toHaveLength(1)
      expect(await bench.actual()).toEqual(bench.expected())
    })
  })

  describe('the COMMIT of a claim', () => {
    test.each(['cutAfterCommit', 'cutBeforeCommit'] as const)(
      'is not relied on when it is lost (%s): the job claims again, totals are exact',
      async (cut) => {
        const { bench, proxy, job } = await benchBehindProxy(engine, 'claim', 4)
        // Three claims at the start and two in mid-run, which a reset brings about.
        const cuts = [true, true, true, false, true, true, false]
        let batches = 0
        const runtime = withFaults((point) => {
          if (point === 'claim.before-commit' && cuts.shift()) proxy[cut]()
          if (point === 'transaction.rows-written' && ++batches === 2) proxy.reset()
        })
        const { heard } = await drain(job, { runtime })
        expect(proxy.injected[cut]).toBe(5)
        expect(heard.recovered.length).toBeGreaterThan(0)
        // Claims that were lost on their way raise the epoch, if they have arrived, and are not announced.
        const epochs = heard.claimed.map(({ claims: [claim] }) => claim?.epoch)
        expect(epochs).toEqual(cut === 'cutAfterCommit' ? [4n, 7n] : [1n, 2n])
        expect(await bench.actual()).toEqual(bench.expected())
      },
    )
  })
})
