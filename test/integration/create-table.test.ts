import type { Message } from 'kafkajs'
import { expect, test } from 'vitest'
import { systemRuntime } from '../../src/runtime/runtime.ts'
import { createDialect } from '../../src/wire.ts'
import { intoDeclaredTables } from '../support/declared-tables.ts'
import { createDatabaseOn, onEveryEngine, type TestDatabase } from '../support/engines.ts'
import { oncesink } from '../support/job-process.ts'
import { produce } from '../support/kafka-service.ts'
import { drain, openBench, startFailure } from '../support/running-job.ts'
import { verified } from '../support/verified.ts'

const tables = ['totals', 'latest', 'seen']

const at = Date.UTC(2026, 0, 31)

const records: readonly Message[] = [
  { key: 'é', value: { k: 'a', v: 1, note: 'first' }, headers: { by: 'web', trace: Buffer.from([0xff]) } },
  { key: null, value: { k: 'b', v: 20 } },
  { key: 'x', value: { k: 'b', v: -3 } },
  { key: 'é', value: { k: 'a', v: 9_007_199_254_740_991 } },
].map(({ value, ...record }, i) => ({
  ...record,
  value: JSON.stringify(value),
  partition: 0,
  timestamp: String(at + i),
}))

onEveryEngine((engine) => {
  test('tables are created at the start where they are missing, once, and pass their own check', async () => {
    const bench = await openBench('create-table', { engine, partitions: 1, tables: '' })
    const job = (migrate: 'auto' | 'check') => bench.job({ pipelines: intoDeclaredTables, migrate })
    const refused = await startFailure(job('check'))
    for (const table of tables) {
      expect(refused.message).toMatch(
        new RegExp(`table ${table} does not exist, and with migrate: 'check'.*oncesink migrate`),
      )
    }
    await produce(bench.topic, records.slice(0, 2))
    await drain(job('auto'))
    await produce(bench.topic, records.slice(2))
    await drain(job('check'))
    const { knex } = bench.database
    expect(await knex('totals').orderBy('k')).toEqual([
      { k: 'a', n: '2', total: '9007199254740992', most: '9007199254740991' },
      { k: 'b', n: '2', total: '17', most: '20' },
    ])
    expect(parsed(await knex('latest').orderBy('name'), 'details')).toEqual([
      { name: '', part: '0', details: { of: ['b'], v: 20 }, note: null },
      { name: 'x', part: '0', details: { of: ['b'], v: -3 }, note: null },
      { name: 'é', part: '0', details: { of: ['a'], v: 9_007_199_254_740_991 }, note: null },
    ])
    const seen = parsed(await knex('seen').orderBy('log_offset'), 'headers')
    const [keys, where] = [['é', null, 'x', 'é'], { topic: bench.topic, partition: '0' }]
    expect(seen).toEqual(
      [1, 20, -3, 9_007_199_254_740_991].map((v, i) => ({
        ...where,
        v: String(v),
        log_offset: String(i),
        at: new Date(at + i),
        record_key: keys[i] === null ? null : Buffer.from(keys[i] as string),
        headers: i === 0 ? { by: 'web', trace: { base64: '/w==' } } : {},
      })),
    )
    const report = await verified(job('check'))
    expect(report.outcome, report.text).toBe('ok')
  })

  test('oncesink migrate makes the tables that --print-sql prints, and makes them once', async () => {
    const [printed, migrated] = await Promise.all([
      createDatabaseOn(engine, 'printed'),
      createDatabaseOn(engine, 'migrated'),
    ])
    const migrate = async (url: string, ...args: string[]) => {
      const file = 'test/support/declaring-job.ts'
      const env = { JOB_ENGINE: engine.name, DATABASE_URL: url }
      const { code, stdout, stderr } = await oncesink(['--format', 'json', 'migrate', file, ...args], env)
      expect(stderr).toBe('')
      expect(code).toBe(0)
      return stdout
    }
    const unreachable = new URL(printed.url)
    unreachable.host = '127.0.0.1:1'
    const sql = await migrate(unreachable.href, '--print-sql')
    for (const table of tables) expect(sql).toMatch(new RegExp(`CREATE TABLE IF NOT EXISTS .${table}. \\(`))
    // Applied to what is there it changes nothing.
    for (const part of [...clientParts(sql), ...clientParts(sql)]) await printed.run(part)
    expect(JSON.parse(await migrate(printed.url))).toMatchObject({ applied: [], created: [] })
    expect(JSON.parse(await migrate(migrated.url))).toMatchObject({ created: tables })
    expect(await described(migrated)).toEqual(await described(printed))
  })

  async function described(database: TestDatabase) {
    const dialect = createDialect({ database: engine.database(database.url) }, systemRuntime)
    const connection = await dialect.connect({ job: 'test', owner: 'test' })
    const descriptions = []
    for (const table of tables) {
      const description = await connection.describeTable(table)
      expect(description).not.toBeNull()
      // The words of its cures are functions, and say its name.
      descriptions.push({ ...description, qualifiedName: table, words: null })
    }
    await connection.close()
    return descriptions
  }
})

/** What the command line client of MySQL and MariaDB makes of DELIMITER. */
function clientParts(script: string): string[] {
  return script.split(/DELIMITER \$\$\n|\$\$\nDELIMITER ;\n/)
}

/** MariaDB gives JSON as its text. */
function parsed(rows: Record<string, unknown>[], column: string): Record<string, unknown>[] {
  return rows.map((row) => {
    const value = row[column]
    return { ...row, [column]: typeof value === 'string' ? (JSON.parse(value) as unknown) : value }
  })
}
