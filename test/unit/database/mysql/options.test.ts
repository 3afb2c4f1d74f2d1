import { inspect } from 'node:util'
import { describe, expect, test } from 'vitest'
import { type MysqlOptions, mysql } from '../../../../src/database/mysql/options.ts'

const url = 'mysql://job:s%40crat@db.example:3307/shop'

describe('mysql(...)', () => {
  test('takes a connection string apart, and gives every option its default', () => {
    const plan = mysql({ connectionString: url })
    expect(plan).toMatchObject({
      engine: 'mysql',
      schema: 'shop',
      statementTimeoutMs: 60_000,
      lockTimeoutSeconds: 10,
      idleInTransactionTimeoutSeconds: 60,
      connectTimeoutMs: 5_000,
    })
    expect(plan.target).toMatchObject({ host: 'db.example', port: 3307, user: 'job', database: 'shop' })
    expect(plan.target.password).toBe('s@crat')
    expect(plan.target.ssl).toBeUndefined()
    expect(Object.isFrozen(plan) && Object.isFrozen(plan.target)).toBe(true)
  })

  test('mariadb:// and IPv6 addresses are understood; port and host have defaults', () => {
    expect(mysql({ connectionString: 'mariadb://u@[::1]/d' }).target).toMatchObject({
      host: '::1',
      port: 3306,
    })
    expect(mysql({ user: 'u', database: 'd' }).target).toMatchObject({ host: '127.0.0.1', port: 3306 })
  })

  test('a plan that is printed shows neither password nor keys', () => {
    const plan = mysql({ host: 'h', user: 'u', database: 'd', password: 'secret', ssl: { key: 'secret' } })
    expect(inspect(plan, { depth: 9 }) + JSON.stringify(plan)).not.toContain('secret')
  })

  test('waits for locks are whole seconds, rounded up, and end before a statement’s time', () => {
    const lock = (options: Partial<MysqlOptions>) =>
      mysql({ connectionString: url, ...options }).lockTimeoutSeconds
    expect(lock({ lockTimeoutMs: 10 })).toBe(1)
    expect(lock({ lockTimeoutMs: 1_001 })).toBe(2)
    expect(lock({ statementTimeoutMs: 3_000 })).toBe(1)
    expect(lock({ statementTimeoutMs: 9_500 })).toBe(3)
    expect(() => lock({ statementTimeoutMs: 3_000, lockTimeoutMs: 1_001 })).toThrow(
      'more than a second below',
    )
  })

  test('ssl verifies authority and host name, unless it is told not to', () => {
    const ssl = (options: Partial<MysqlOptions>) => mysql({ connectionString: url, ...options }).target.ssl
    const withMode = (mode: string) => ssl({ connectionString: `${url}?ssl-mode=${mode}` })
    const strict = { rejectUnauthorized: true, verifyIdentity: true }
    expect(ssl({ ssl: true })).toEqual(strict)
    expect(ssl({ ssl: { ca: 'ca' } })).toEqual({ ...strict, ca: 'ca' })
    expect(ssl({ ssl: false })).toBeUndefined()
    expect(ssl({ ssl: { rejectUnauthorized: false } })).toEqual({
      rejectUnauthorized: false,
      verifyIdentity: false,
    })
    expect(withMode('DISABLED')).toBeUndefined()
    expect(withMode('required')).toEqual({ rejectUnauthorized: false, verifyIdentity: false })
    expect(withMode('VERIFY_CA')).toEqual({ rejectUnauthorized: true, verifyIdentity: false })
    expect(withMode('verify-identity')).toEqual(strict)
  })

  test.each<[string, unknown, RegExp]>([
    ['nothing', undefined, /takes an object of options/],
    [
      'an unknown option',
      { conectionString: url },
      /unknown option 'conectionString'; the options are connectionString,/,
    ],
    ['no place', {}, /where is the database/],
    ['a connection string that is undefined', { connectionString: undefined }, /environment variable/],
    ['an empty connection string', { connectionString: '' }, /environment variable/],
    [
      'another kind of connection string',
      { connectionString: 'postgres://u:hidden@h/d' },
      /not of the form mysql:\/\//,
    ],
    ['a damaged percent-encoding', { connectionString: 'mysql://u:hidden%zz@h/d' }, /percent-encoded/],
    [
      'both ways',
      { connectionString: url, host: 'h', database: 'd' },
      /either connectionString or host, database/,
    ],
    [
      'two passwords',
      { connectionString: url, password: () => 'x' },
      /password in connectionString or as password/,
    ],
    [
      'a password of another type',
      { host: 'h', database: 'd', password: 5 },
      /password must be a string, or a function/,
    ],
    ['no database', { connectionString: 'mysql://u@h' }, /in which database/],
    ['an empty host', { host: '', database: 'd' }, /host must be a string that is not empty/],
    [
      'a port out of range',
      { host: 'h', database: 'd', port: 70_000 },
      /port must be an integer from 1 to 65535/,
    ],
    [
      'a parameter that the driver would take',
      { connectionString: `${url}?multipleStatements=true` },
      /'multipleStatements', and only ssl-mode/,
    ],
    [
      'an unknown ssl-mode',
      { connectionString: `${url}?ssl-mode=PREFERRED` },
      /one of DISABLED, REQUIRED, VERIFY_CA/,
    ],
    ['two words about TLS', { connectionString: `${url}?ssl-mode=REQUIRED`, ssl: true }, /not both/],
    [
      'an unknown TLS option',
      { connectionString: url, ssl: { rejectUnauthorised: true } },
      /unknown option 'ssl.rejectUnauthorised'/,
    ],
    [
      'a name check on an address',
      { host: '10.0.0.1', database: 'd', ssl: true },
      /10\.0\.0\.1 is an address: give the name/,
    ],
    [
      'a schema that is too long',
      { connectionString: url, schema: 'x'.repeat(65) },
      /longer than 64 characters/,
    ],
    ['a schema that ends with a space', { connectionString: url, schema: 'x ' }, /schema must be the name/],
    [
      'a statement time that no lock wait fits into',
      { connectionString: url, statementTimeoutMs: 2_999 },
      /statementTimeoutMs must be an integer number of milliseconds from 3000/,
    ],
  ])('refuses %s, and says what to do', (_, options, message) => {
    const refused = () => mysql(options as MysqlOptions)
    expect(refused).toThrow(message)
    expect(refused).toThrow(expect.objectContaining({ code: 'CONFIGURATION_INVALID' }))
    expect(refused).not.toThrow(/hidden/)
  })
})
