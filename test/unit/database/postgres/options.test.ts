import { inspect } from 'node:util'
import { describe, expect, test } from 'vitest'
import { type PostgresOptions, postgres } from '../../../../src/database/postgres/options.ts'

const url = 'postgres://me:secret@db.example/shop'

describe('postgres(...)', () => {
  test('fills in defaults and freezes the plan', () => {
    const plan = postgres({ connectionString: url })
    expect(plan).toMatchObject({
      engine: 'postgres',
      schema: 'oncesink',
      statementTimeoutMs: 60_000,
      lockTimeoutMs: 10_000,
      idleInTransactionTimeoutMs: 60_000,
      connectTimeoutMs: 5_000,
    })
    expect(plan.target.connectionString).toBe(url)
    expect(Object.isFrozen(plan)).toBe(true)
    expect(Object.isFrozen(plan.target)).toBe(true)
  })

  test('takes single settings', () => {
    const plan = postgres({
      host: 'h',
      port: 1,
      user: 'u',
      password: 'p',
      database: 'd',
      ssl: true,
      schema: 's',
    })
    expect(plan.schema).toBe('s')
    const { host, port, user, password, database, ssl } = plan.target
    expect({ host, port, user, password, database, ssl }).toEqual({
      host: 'h',
      port: 1,
      user: 'u',
      password: 'p',
      database: 'd',
      ssl: true,
    })
  })

  test('a dumped plan shows no secret', () => {
    for (const plan of [
      postgres({ connectionString: url }),
      postgres({ host: 'h', user: 'u', password: 'secret', ssl: { key: 'secret' } }),
    ]) {
      expect(JSON.stringify(plan)).not.toContain('secret')
      expect(inspect(plan, { depth: 9 })).not.toContain('secret')
    }
  })

  test('an environment variable that is not set is what the message asks about', () => {
    const unset: string | undefined = process.env.NO_SUCH_VARIABLE
    expect(() => postgres({ connectionString: unset })).toThrow(
      /connectionString is undefined.*environment variable/,
    )
    expect(() => postgres({ connectionString: '' })).toThrow(
      /connectionString is empty.*environment variable/,
    )
    expect(() => postgres({})).toThrow(/Give connectionString, or host/)
  })

  test.each<[string, unknown]>([
    ["unknown option 'connectionstring'", { connectionstring: url }],
    ['takes an object', url],
    ['takes an object', null],
    ['must be a string', { connectionString: 5 }],
    ['postgres://user:password@host:port/database', { connectionString: 'mysql://me:secret@h/d' }],
    ['postgres://user:password@host:port/database', { connectionString: 'postgres://me:sec ret@h:x/d' }],
    ['either connectionString or host, port, not both', { connectionString: url, host: 'h', port: 1 }],
    ['port must be an integer from 1 to 65535, not 0', { host: 'h', port: 0 }],
    ['port must be', { host: 'h', port: '5432' }],
    ['host must be a string', { host: 5 }],
    ['password must be a string', { host: 'h', password: () => 'x' }],
    ['ssl must be', { connectionString: url, ssl: 'require' }],
    ['schema must be the name', { connectionString: url, schema: '' }],
    ['schema must be the name', { connectionString: url, schema: 'a\0' }],
    ['longer than 63 bytes', { connectionString: url, schema: 'é'.repeat(32) }],
    ['statementTimeoutMs must be', { connectionString: url, statementTimeoutMs: 99 }],
    [
      'must be below statementTimeoutMs',
      { connectionString: url, lockTimeoutMs: 500, statementTimeoutMs: 500 },
    ],
    ['lockTimeoutMs must be', { connectionString: url, lockTimeoutMs: 0 }],
    ['lockTimeoutMs must be', { connectionString: url, lockTimeoutMs: 10.5 }],
    ['idleInTransactionTimeoutMs must be', { connectionString: url, idleInTransactionTimeoutMs: 2 ** 31 }],
    ['connectTimeoutMs must be', { connectionString: url, connectTimeoutMs: '5s' }],
  ])('says %j', (message, options) => {
    let error: unknown
    try {
      postgres(options as PostgresOptions)
    } catch (thrown) {
      error = thrown
    }
    expect(error).toMatchObject({ code: 'CONFIGURATION_INVALID', message: expect.stringContaining(message) })
    expect(String(error)).not.toMatch(/secret|sec ret/)
  })
})
