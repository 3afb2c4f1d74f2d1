import { describe, expect, test } from 'vitest'
import { classify, endsSession, type Scope } from '../../../../src/database/mysql/errors.ts'
import type { ErrorCode } from '../../../../src/errors.ts'

function serverError(errno: number, sqlState = 'HY000', message = 'no'): Error {
  return Object.assign(new Error(message), { errno, sqlState })
}

function classified(error: unknown, scope: Scope = 'sink') {
  return classify(error, { scope, doing: 'test', target: 'server' })
}

describe('an error of the server', () => {
  test.each<[number, string, ErrorCode]>([
    [1205, 'HY000', 'TRANSACTION_ABORTED'],
    [1213, '40001', 'TRANSACTION_ABORTED'],
    [1020, 'HY000', 'TRANSACTION_ABORTED'],
    [1412, 'HY000', 'TRANSACTION_ABORTED'],
    [3572, 'HY000', 'TRANSACTION_ABORTED'],
    [9999, '40002', 'TRANSACTION_ABORTED'],
    [1317, '70100', 'STATEMENT_TIMEOUT'],
    [1969, '70100', 'STATEMENT_TIMEOUT'],
    [3024, 'HY000', 'STATEMENT_TIMEOUT'],
    [2003, 'HY000', 'DATABASE_UNAVAILABLE'],
    [2006, 'HY000', 'DATABASE_UNAVAILABLE'],
    [9001, 'HY000', 'DATABASE_UNAVAILABLE'],
    [3032, 'HY000', 'DATABASE_UNAVAILABLE'],
    [2013, 'HY000', 'DATABASE_UNAVAILABLE'],
    [1053, '08S01', 'DATABASE_UNAVAILABLE'],
    [1927, '70100', 'DATABASE_UNAVAILABLE'],
    [4031, 'HY000', 'DATABASE_UNAVAILABLE'],
    [1159, '08S01', 'DATABASE_UNAVAILABLE'],
    [1047, '08S01', 'DATABASE_UNAVAILABLE'],
    [1062, '23000', 'ROWS_REJECTED'],
    [1048, '23000', 'ROWS_REJECTED'],
    [1264, '22003', 'ROWS_REJECTED'],
    [1406, '22001', 'ROWS_REJECTED'],
    [1366, 'HY000', 'ROWS_REJECTED'],
    [1265, '01000', 'ROWS_REJECTED'],
    [3819, 'HY000', 'ROWS_REJECTED'],
    [4025, '23000', 'ROWS_REJECTED'],
    [1644, '45000', 'ROWS_REJECTED'],
    [1146, '42S02', 'DATABASE_REFUSED'],
    [1114, 'HY000', 'DATABASE_REFUSED'],
    [1153, '08S01', 'DATABASE_REFUSED'],
    [1665, 'HY000', 'DATABASE_REFUSED'],
  ])('%i (%s) is %s', (errno, sqlState, code) => {
    expect(classified(serverError(errno, sqlState)).code).toBe(code)
  })

  test('about the rows’ values is nobody’s fault but ours on our own tables', () => {
    expect(classified(serverError(1062, '23000'), 'own').code).toBe('DATABASE_REFUSED')
    const message = "Duplicate entry 'x' for key 'oncesink_batches.PRIMARY'"
    expect(classified(serverError(1062, '23000', message)).code).toBe('DATABASE_REFUSED')
    const sink = "Duplicate entry 'x' for key 'oncesink_orders.PRIMARY'"
    expect(classified(serverError(1062, '23000', sink)).code).toBe('ROWS_REJECTED')
  })

  test('1047 is a node that is not ready, or what ProxySQL does not let through', () => {
    const said = (message: string) => serverError(1047, '08S01', message)
    expect(classified(said("Unsupported 'LOAD DATA LOCAL INFILE' command")).code).toBe('DATABASE_REFUSED')
    expect(endsSession(said("Unsupported 'LOAD DATA LOCAL INFILE' command"))).toBe(false)
    expect(endsSession(said('WSREP has not yet prepared node for application use'))).toBe(true)
  })

  test('1290 is a replica only where it says so', () => {
    const because = (option: string) =>
      serverError(
        1290,
        'HY000',
        `The MySQL server is running with the --${option} option so it cannot execute this`,
      )
    expect(classified(because('read-only'))).toMatchObject({
      code: 'DATABASE_UNAVAILABLE',
      message: expect.stringContaining('connect to the primary'),
    })
    expect(classified(because('super-read-only')).code).toBe('DATABASE_UNAVAILABLE')
    const other = classified(because('secure-file-priv'))
    expect(other.code).toBe('DATABASE_REFUSED')
    expect(other.message).not.toContain('primary')
  })

  test.each<[number, string, ErrorCode, string]>([
    [1040, '08004', 'DATABASE_UNAVAILABLE', 'max_connections'],
    [1203, '42000', 'DATABASE_UNAVAILABLE', 'max_user_connections'],
    [1045, '28000', 'DATABASE_REFUSED', 'Check user and password'],
    [1044, '42000', 'DATABASE_REFUSED', 'privileges'],
    [1049, '42000', 'DATABASE_REFUSED', 'Create the database'],
    [3159, 'HY000', 'DATABASE_REFUSED', 'set the option ssl'],
    [1130, 'HY000', 'DATABASE_REFUSED', 'for this host'],
    [1862, 'HY000', 'DATABASE_REFUSED', 'expired'],
  ])('%i while connecting is %s %s, with the cure', (errno, sqlState, code, cure) => {
    expect(classified(serverError(errno, sqlState), 'connect')).toMatchObject({
      code,
      message: expect.stringMatching(new RegExp(`could not test at server: no \\[error ${errno}, .*${cure}`)),
    })
  })

  test.each([
    [1114, "The table 'seen' is full", 'disk is full: free space'],
    [1021, 'Disk full (/tmp/x); waiting for someone to free some space', 'disk is full: free space'],
    [3, "Error writing file './x/seen.ibd' (OS errno 28 - No space left on device)", 'larger: free space'],
    [1026, "Error writing file './binlog.000001' (errno: 27 - File too large)", 'ulimit -f'],
    [1030, 'Got error 28 from storage engine', 'larger: free space'],
    [1030, "Got error 122 - 'Disk quota exceeded' from storage engine", 'a quota'],
  ])('%i %s stops the job with the cure', (errno, message, cure) => {
    expect(classified(serverError(errno, 'HY000', message))).toMatchObject({
      code: 'DATABASE_REFUSED',
      message: expect.stringContaining(cure),
    })
  })

  test('no room is not read into other errors', () => {
    const other = serverError(
      1030,
      'HY000',
      "Got error 168 - 'Unknown (generic) error from engine' from storage",
    )
    expect(classified(other).message).not.toContain('free space')
  })

  test('ends the session where the server hangs up after it', () => {
    expect([1927, 4031, 1053, 1153].map((errno) => endsSession(serverError(errno)))).toEqual([
      true,
      true,
      true,
      true,
    ])
    expect([1205, 1213, 1062, 1317].some((errno) => endsSession(serverError(errno)))).toBe(false)
  })
})

describe('an error of the network or the driver', () => {
  test.each([
    Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET', errno: -104 }),
    Object.assign(new Error('connect ETIMEDOUT'), { code: 'ETIMEDOUT' }),
    Object.assign(new Error('gone'), { code: 'PROTOCOL_CONNECTION_LOST' }),
    new Error("Can't add new command when connection is in closed state"),
    new AggregateError([Object.assign(new Error(''), { code: 'ECONNREFUSED' })]),
  ])('%s is DATABASE_UNAVAILABLE', (error) => {
    expect(classified(error).code).toBe('DATABASE_UNAVAILABLE')
    expect(endsSession(error)).toBe(true)
  })

  test('a certificate that is not trusted is DATABASE_REFUSED, with the cure', () => {
    const error = Object.assign(new Error('self-signed certificate'), { code: 'HANDSHAKE_SSL_ERROR' })
    expect(classified(error, 'connect')).toMatchObject({
      code: 'DATABASE_REFUSED',
      message: expect.stringContaining('ssl.ca'),
    })
  })
})
