import { inspect } from 'node:util'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
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
    ['password must be a string, or a function', { host: 'h', password: 5 }],
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

describe('TLS parameters of the connection string', () => {
  const withParameters = (parameters: string) => `${url}?${parameters}`

  test.each([
    ['', null],
    ['sslmode=disable', 'disable'],
    ['sslmode=require', 'require'],
    ['ssl=true', 'verify-full'],
    ['ssl=0', 'disable'],
    ['sslrootcert=/ca.pem', 'verify-full'],
  ])('%j asks for %s', (parameters, mode) => {
    const { urlTls } = postgres({ connectionString: withParameters(parameters) }).target
    expect(urlTls?.mode ?? null).toBe(mode)
  })

  test.each<[string, object]>([
    ['sslmode=prefer would go on in plain text', { connectionString: withParameters('sslmode=prefer') }],
    ['sslmode=verify is not known', { connectionString: withParameters('sslmode=verify') }],
    ['ssl=maybe is neither', { connectionString: withParameters('ssl=maybe') }],
    ['needs both sslcert and sslkey', { connectionString: withParameters('sslcert=/c.pem') }],
    ['contradict each other', { connectionString: withParameters('sslmode=disable'), ssl: true }],
    ['contradict each other', { connectionString: withParameters('sslmode=require'), ssl: false }],
    ['contradict each other', { connectionString: withParameters('sslrootcert=/a'), ssl: { ca: 'x' } }],
    ['leave out one of them', { connectionString: url, password: () => 'x' }],
  ])('%s', (message, options) => {
    expect(() => postgres(options as PostgresOptions)).toThrow(
      expect.objectContaining({ code: 'CONFIGURATION_INVALID', message: expect.stringContaining(message) }),
    )
  })

  test('PGSSLMODE counts where the job says nothing', () => {
    vi.stubEnv('PGSSLMODE', 'require')
    onTestFinished(() => void vi.unstubAllEnvs())
    expect(postgres({ connectionString: url }).target.urlTls).toMatchObject({ mode: 'require' })
    expect(postgres({ connectionString: withParameters('sslmode=disable') }).target.urlTls).toMatchObject({
      mode: 'disable',
    })
  })
})
