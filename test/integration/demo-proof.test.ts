import pg from 'pg'
import { describe, expect, test } from 'vitest'
import { exitCodeOf, proofText } from '../../src/demo/proof.ts'
import { runDemo } from '../../src/demo/run-demo.ts'

const options = { records: 3_000, kills: 2, seed: 11, keep: false, json: false, engine: 'postgres' } as const

/** Runs a small demo, and changes the database before it is looked at. */
async function demo(tamper?: string) {
  let output = ''
  const result = await runDemo(options, {
    output: {
      isTerminal: false,
      write: (text) => {
        output += text
      },
    },
    signal: new AbortController().signal,
    beforeProof: async ({ databaseUrl }) => {
      if (tamper === undefined) return
      const client = new pg.Client({ connectionString: databaseUrl })
      await client.connect()
      try {
        const changed = await client.query(tamper)
        expect(changed.rowCount).toBeGreaterThan(0)
      } finally {
        await client.end()
      }
    },
  })
  return { result, output }
}

test('the demo kills the job and proves that every record counts exactly once', async () => {
  const { result, output } = await demo()
  expect(result.failures).toEqual([])
  expect(result).toMatchObject({
    ok: true,
    records: 3_000,
    produced: 3_000,
    kills: 2,
    lost: 0,
    duplicated: 0,
  })
  expect(exitCodeOf(result)).toBe(0)
  expect(result.table.actual.orders).toBe(3_000)
  expect(result.verify).toMatchObject({ outcome: 'ok', recordsReplayed: 3_000, chain: { unbroken: true } })
  expect(result.restartMs?.median).toBeGreaterThan(0)
  expect(output).toContain('SIGKILL 2 times')
})

describe('negative controls: the real table, tampered with by one row, is not proven', () => {
  const oneRow = `(item, minute) = (SELECT item, minute FROM orders_by_item WHERE orders > 1 ORDER BY 1, 2 LIMIT 1)`

  test('a record lost: table and verify say so, exit code 4', async () => {
    const { result } = await demo(`UPDATE orders_by_item SET orders = orders - 1 WHERE ${oneRow}`)
    expect(result).toMatchObject({ ok: false, lost: 1, duplicated: 0, verify: { outcome: 'violation' } })
    expect(exitCodeOf(result)).toBe(4)
    expect(result.table.differences).toHaveLength(1)
    expect(proofText(result)).toMatch(/item-\d{4} 2026-01-01T12:\d\d:00\.000Z: expected \d+ orders/)
  })

  test('one cent too much: nothing lost or duplicated, and still not proven', async () => {
    const { result } = await demo(`UPDATE orders_by_item SET revenue = revenue + 0.01 WHERE ${oneRow}`)
    expect(result).toMatchObject({ ok: false, lost: 0, duplicated: 0, verify: { outcome: 'violation' } })
    expect(exitCodeOf(result)).toBe(4)
  })

  test('a range missing in the ledger, with every row right: the chain is broken', async () => {
    const { result } = await demo(
      `DELETE FROM oncesink.oncesink_batches WHERE ctid =
         (SELECT ctid FROM oncesink.oncesink_batches WHERE kind = 'batch' ORDER BY partition, from_offset LIMIT 1)`,
    )
    expect(result).toMatchObject({
      ok: false,
      lost: 0,
      duplicated: 0,
      verify: { chain: { unbroken: false } },
    })
    expect(result.failures.join()).toContain('orders')
    expect(result.failures.join()).toContain('was never committed')
    expect(exitCodeOf(result)).toBe(4)
  })
})
