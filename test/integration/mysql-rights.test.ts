import { readFile } from 'node:fs/promises'
import { describe, expect, onTestFinished, test } from 'vitest'
import { testEngines } from '../support/engines.ts'
import { drain, openBench, startFailure } from '../support/running-job.ts'
import { uniqueName } from '../support/unique.ts'

/** The statements of docs/operations.md, for `user` and `tables` of `database`. */
async function documentedGrants(
  user: string,
  database: string,
  tables: readonly string[],
): Promise<string[]> {
  const text = await readFile(new URL('../../docs/operations.md', import.meta.url), 'utf8')
  const [, sql = ''] = /### MySQL and MariaDB.*?```sql\n(.*?)```/s.exec(text) ?? []
  const statements = sql.split('\n').flatMap((line) => /^GRANT [^;]+/.exec(line)?.[0] ?? [])
  expect(statements.length).toBeGreaterThan(5)
  return statements
    .map((statement) => statement.replace('my_database', database).replace('my_job', user))
    .flatMap((statement) =>
      statement.includes('orders_by_item')
        ? tables.map((table) => statement.replace('orders_by_item', table))
        : [statement],
    )
}

const engines = testEngines.filter(({ name }) => name !== 'postgres')

describe.each(engines.map((engine) => [engine.title, engine] as const))('on %s:', (_, engine) => {
  test('a user with the documented grants runs a job and resumes it; without them it is told what it lacks', async () => {
    const bench = await openBench('rights', { engine })
    await bench.produce(20)
    await drain(bench.job())
    await bench.produce(20)

    const { database } = bench
    const user = uniqueName('u').slice(-30)
    // A server may have an anonymous user of this host, which would come before one of every host.
    const accounts = ['%', 'localhost'].map((host) => `'${user}'@'${host}'`)
    for (const account of accounts) await database.knex.raw(`CREATE USER ${account} IDENTIFIED BY 'secret-1'`)
    onTestFinished(async () => {
      await database.knex.raw(`DROP USER ${accounts.join(', ')}`)
    })
    const url = new URL(database.url)
    url.username = user
    url.password = 'secret-1'

    for (const account of accounts)
      await database.knex.raw(`GRANT SELECT ON ${database.name}.* TO ${account}`)
    const lacking = await startFailure(bench.job({ url: url.href }))
    expect(lacking).toMatchObject({ code: 'PREFLIGHT_FAILED' })
    expect(lacking.message).toMatch(/GRANT INSERT, UPDATE, DELETE ON .*oncesink_offsets/)
    for (const account of accounts)
      await database.knex.raw(`REVOKE SELECT ON ${database.name}.* FROM ${account}`)

    for (const account of accounts) {
      for (const grant of await documentedGrants(account, database.name, ['totals', 'seen']))
        await database.knex.raw(grant)
    }
    for (const migrate of ['auto', 'check'] as const) {
      await drain(bench.job({ url: url.href, migrate }))
      await bench.produce(20)
    }
    await drain(bench.job({ url: url.href }))
    expect(await bench.actual()).toEqual(bench.expected())
  })
})
