import { describe, expect, test } from 'vitest'
import { postgres } from '../../src/database/postgres/options.ts'
import { eventually } from '../support/eventually.ts'
import { createRole } from '../support/postgres-role.ts'
import { type Bench, drain, observe, openBench, startFailure } from '../support/running-job.ts'

/** A database plan for a role of its own, whose password is asked from `password`. */
async function askedRole(bench: Bench, password: (real: string) => string | Promise<string>) {
  const { role, url } = await createRole(bench.database)
  const { knex, name } = bench.database
  await knex.raw('GRANT CREATE ON DATABASE ?? TO ??', [name, role])
  await knex.raw('GRANT ALL ON ALL TABLES IN SCHEMA public TO ??', [role])
  const without = new URL(url)
  const real = without.password
  without.password = ''
  const database = postgres({ connectionString: without.href, password: () => password(real) })
  return { role, database }
}

describe('a password that a function gives', () => {
  test('is asked anew for each connection: the job goes on when it has changed', async () => {
    const bench = await openBench('rotated')
    let rotated: string | null = null
    let asked = 0
    const { role, database } = await askedRole(bench, async (real) => {
      asked += 1
      return rotated ?? real
    })
    await bench.produce(10)
    const { heard } = await observe(bench.job({ database }))
    await bench.untilCommitted()
    expect(asked).toBe(1)

    // The server has the new password before the function knows of it.
    await bench.database.knex.raw(`ALTER ROLE ${role} PASSWORD 'the next one'`)
    await bench.database.knex.raw(
      'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = ?',
      [role],
    )
    await bench.produce(10)
    await eventually(() => heard.retrying.length > 0)
    expect(heard.retrying[0]?.error).toMatchObject({
      code: 'DATABASE_UNAVAILABLE',
      message: expect.stringMatching(/28P01.*password function, which is asked again/),
    })
    rotated = 'the next one'
    await bench.untilCommitted()
    expect(asked).toBeGreaterThan(2)
    expect(await bench.actual()).toEqual(bench.expected())
  })

  test('that fails is told, and tried again while the start has time', async () => {
    const bench = await openBench('no-password')
    await bench.produce(10)
    let failures = 2
    const { database } = await askedRole(bench, (real) => {
      if (failures-- > 0) throw new Error('the vault is sealed')
      return real
    })
    const { heard } = await drain(bench.job({ database }))
    expect(heard.retrying.map(({ error }) => error.message)).toEqual(
      Array(2).fill(
        expect.stringMatching(/could not connect to .*password function failed: the vault is sealed/),
      ),
    )
    failures = Number.POSITIVE_INFINITY
    const error = await startFailure(bench.job({ database, limits: { startupTimeoutMs: 300 } }))
    expect(error).toMatchObject({ code: 'DATABASE_UNAVAILABLE', exitCode: 1 })
    expect(error.message).toContain('the vault is sealed')
  })

  test('that never answers is given up after connectTimeoutMs', async () => {
    const bench = await openBench('silent-password')
    const database = postgres({
      host: 'localhost',
      password: () => new Promise<string>(() => {}),
      connectTimeoutMs: 100,
    })
    const error = await startFailure(bench.job({ database, limits: { startupTimeoutMs: 1 } }))
    expect(error.message).toMatch(/no answer within 100 ms \(connectTimeoutMs\)/)
  })

  test.each([
    [undefined, /something of type undefined/],
    ['', /an empty text/],
    [{ token: 'secret' }, /something of type object/],
  ])('that is %j is a mistake in the job', async (value, reason) => {
    const bench = await openBench('odd-password')
    const database = postgres({ host: 'localhost', password: (() => value) as () => string })
    const error = await startFailure(bench.job({ database }))
    expect(error).toMatchObject({ code: 'CONFIGURATION_INVALID', exitCode: 2 })
    expect(error.message).toMatch(reason)
    expect(error.message).not.toContain('secret')
  })
})
