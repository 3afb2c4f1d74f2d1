import { describe, expect, test } from 'vitest'
import {
  asServerError,
  classify,
  type ErrorContext,
  endsSession,
  type Scope,
} from '../../../../src/database/postgres/errors.ts'
import { type ErrorCode, OncesinkError } from '../../../../src/errors.ts'

const context = (scope: Scope): ErrorContext => ({
  scope,
  doing: 'merge rows into orders',
  target: 'db.example:5432/shop as me',
  ownSchema: 'oncesink',
})

function serverError(code: string, more: Record<string, unknown> = {}): Error {
  return Object.assign(new Error('the server says so'), { code, severity: 'ERROR', ...more })
}

const codeOf = (error: unknown, scope: Scope): ErrorCode => classify(error, context(scope)).code

test('a standby’s answer to BEGIN is that of a read-only server, in whatever language; others of its kind are not', () => {
  const standby = serverError('0A000', { routine: 'call_bool_check_hook' })
  expect(classify(standby, context('own'))).toMatchObject({
    code: 'DATABASE_UNAVAILABLE',
    message: expect.stringContaining('connect to the primary'),
  })
  expect(endsSession(standby)).toBe(true)
  const other = serverError('0A000', { routine: 'ExecInitFunc' })
  expect([codeOf(other, 'own'), endsSession(other)]).toEqual(['DATABASE_REFUSED', false])
})

describe('error classes', () => {
  const table: [sqlState: string, onSink: ErrorCode, onOwn: ErrorCode][] = [
    // roll back and run again
    ['40001', 'TRANSACTION_ABORTED', 'TRANSACTION_ABORTED'],
    ['40P01', 'TRANSACTION_ABORTED', 'TRANSACTION_ABORTED'],
    ['55P03', 'TRANSACTION_ABORTED', 'TRANSACTION_ABORTED'],
    // the same, but the record may be at fault
    ['57014', 'STATEMENT_TIMEOUT', 'STATEMENT_TIMEOUT'],
    // drop the connection and claim again
    ['08000', 'DATABASE_UNAVAILABLE', 'DATABASE_UNAVAILABLE'],
    ['08001', 'DATABASE_UNAVAILABLE', 'DATABASE_UNAVAILABLE'],
    ['08004', 'DATABASE_UNAVAILABLE', 'DATABASE_UNAVAILABLE'],
    ['08007', 'DATABASE_UNAVAILABLE', 'DATABASE_UNAVAILABLE'],
    ['08003', 'DATABASE_UNAVAILABLE', 'DATABASE_UNAVAILABLE'],
    ['08006', 'DATABASE_UNAVAILABLE', 'DATABASE_UNAVAILABLE'],
    ['57P01', 'DATABASE_UNAVAILABLE', 'DATABASE_UNAVAILABLE'],
    ['57P02', 'DATABASE_UNAVAILABLE', 'DATABASE_UNAVAILABLE'],
    ['57P03', 'DATABASE_UNAVAILABLE', 'DATABASE_UNAVAILABLE'],
    ['57P05', 'DATABASE_UNAVAILABLE', 'DATABASE_UNAVAILABLE'],
    ['25P03', 'DATABASE_UNAVAILABLE', 'DATABASE_UNAVAILABLE'],
    ['25P04', 'DATABASE_UNAVAILABLE', 'DATABASE_UNAVAILABLE'],
    ['25006', 'DATABASE_UNAVAILABLE', 'DATABASE_UNAVAILABLE'],
    // may be the data's fault
    ['22001', 'ROWS_REJECTED', 'DATABASE_REFUSED'],
    ['22003', 'ROWS_REJECTED', 'DATABASE_REFUSED'],
    ['22P02', 'ROWS_REJECTED', 'DATABASE_REFUSED'],
    ['23502', 'ROWS_REJECTED', 'DATABASE_REFUSED'],
    ['23505', 'ROWS_REJECTED', 'DATABASE_REFUSED'],
    ['23514', 'ROWS_REJECTED', 'DATABASE_REFUSED'],
    ['P0001', 'ROWS_REJECTED', 'DATABASE_REFUSED'],
    ['P0004', 'ROWS_REJECTED', 'DATABASE_REFUSED'],
    // stop
    ['42P01', 'DATABASE_REFUSED', 'DATABASE_REFUSED'],
    ['42501', 'DATABASE_REFUSED', 'DATABASE_REFUSED'],
    ['53100', 'DATABASE_REFUSED', 'DATABASE_REFUSED'],
    ['53200', 'DATABASE_REFUSED', 'DATABASE_REFUSED'],
    ['54000', 'DATABASE_REFUSED', 'DATABASE_REFUSED'],
    ['58030', 'DATABASE_REFUSED', 'DATABASE_REFUSED'],
    ['XX001', 'DATABASE_REFUSED', 'DATABASE_REFUSED'],
    ['21000', 'DATABASE_REFUSED', 'DATABASE_REFUSED'],
    ['25P02', 'DATABASE_REFUSED', 'DATABASE_REFUSED'],
    ['0A000', 'DATABASE_REFUSED', 'DATABASE_REFUSED'],
    // a message that the server did not understand, on a session that goes on
    ['08P01', 'DATABASE_REFUSED', 'DATABASE_REFUSED'],
  ]
  test.each(table)(
    'SQLSTATE %s is %s on a sink and %s on oncesink’s own tables',
    (sqlState, onSink, onOwn) => {
      expect(codeOf(serverError(sqlState), 'sink')).toBe(onSink)
      expect(codeOf(serverError(sqlState), 'own')).toBe(onOwn)
    },
  )

  test('a rejected row of an own table is never the data’s fault; a sink beside them in the schema is one', () => {
    const own = serverError('23505', { schema: 'oncesink', table: 'oncesink_batches' })
    expect(codeOf(own, 'sink')).toBe('DATABASE_REFUSED')
    expect(codeOf(serverError('23505', { schema: 'oncesink', table: 'orders' }), 'sink')).toBe(
      'ROWS_REJECTED',
    )
    expect(codeOf(serverError('23505', { schema: 'public', table: 'oncesink_batches' }), 'sink')).toBe(
      'ROWS_REJECTED',
    )
  })

  test.each([
    ['28P01', 'DATABASE_REFUSED', 'Check user and password'],
    ['28000', 'DATABASE_REFUSED', 'pg_hba.conf'],
    ['3D000', 'DATABASE_REFUSED', 'Create the database'],
    ['53300', 'DATABASE_UNAVAILABLE', 'max_connections'],
    ['57P03', 'DATABASE_UNAVAILABLE', ''],
    ['57P01', 'DATABASE_UNAVAILABLE', ''],
    ['08004', 'DATABASE_UNAVAILABLE', ''],
    ['08P01', 'DATABASE_UNAVAILABLE', ''],
    ['40001', 'DATABASE_REFUSED', ''],
  ])('when connecting, SQLSTATE %s is %s and the message holds %j', (sqlState, code, cure) => {
    const error = classify(serverError(sqlState, { severity: 'FATAL' }), context('connect'))
    expect(error.code).toBe(code)
    expect(error.message).toContain(cure)
  })

  test.each([
    'ECONNRESET',
    'EPIPE',
    'ETIMEDOUT',
    'ECONNREFUSED',
    'EHOSTUNREACH',
    'ENETUNREACH',
    'ENOTFOUND',
    'EAI_AGAIN',
  ])('%s is DATABASE_UNAVAILABLE, in every scope', (code) => {
    const error = Object.assign(new Error('x'), { code, syscall: 'read' })
    for (const scope of ['connect', 'own', 'sink'] as const)
      expect(codeOf(error, scope)).toBe('DATABASE_UNAVAILABLE')
    expect(endsSession(error)).toBe(true)
  })

  test.each([
    'Connection terminated unexpectedly',
    'Connection terminated',
    'Client has encountered a connection error and is not queryable',
    'Client was closed and is not queryable',
    'timeout expired',
  ])('the driver’s %j is DATABASE_UNAVAILABLE', (message) => {
    expect(codeOf(new Error(message), 'own')).toBe('DATABASE_UNAVAILABLE')
  })

  test('a name with several addresses, all of them dead, is DATABASE_UNAVAILABLE and told in full', () => {
    const refused = (address: string) =>
      Object.assign(new Error(`connect ECONNREFUSED ${address}`), { code: 'ECONNREFUSED' })
    const error = classify(new AggregateError([refused('::1'), refused('127.0.0.1')], ''), context('connect'))
    expect(error.code).toBe('DATABASE_UNAVAILABLE')
    expect(error.message).toContain('127.0.0.1')
  })

  test('what the driver or this program throws otherwise is DATABASE_REFUSED', () => {
    expect(codeOf(new TypeError('x'), 'sink')).toBe('DATABASE_REFUSED')
    expect(codeOf('a string', 'own')).toBe('DATABASE_REFUSED')
    expect(codeOf(new Error('SASL: client password must be a string'), 'connect')).toBe('DATABASE_REFUSED')
  })

  test('an answer that ends the session is DATABASE_UNAVAILABLE whatever its class, except when connecting', () => {
    const error = serverError('XX000', { severity: 'FATAL' })
    expect(codeOf(error, 'own')).toBe('DATABASE_UNAVAILABLE')
    expect(codeOf(error, 'connect')).toBe('DATABASE_REFUSED')
    expect(endsSession(error)).toBe(true)
    expect(endsSession(serverError('XX000'))).toBe(false)
  })

  test('a protocol violation ends the session only when the server says so', () => {
    expect(endsSession(serverError('08P01'))).toBe(false)
    expect(endsSession(serverError('08006'))).toBe(true)
    const fatal = serverError('08P01', { severity: 'FATAL' })
    expect(endsSession(fatal)).toBe(true)
    expect(codeOf(fatal, 'sink')).toBe('DATABASE_UNAVAILABLE')
  })

  test('a statement that timed out names the option', () => {
    expect(classify(serverError('57014'), context('sink')).message).toContain('statementTimeoutMs')
  })

  test.each<[string, Record<string, unknown>, RegExp]>([
    [
      '53100',
      { message: 'could not extend file "base/5/1": No space left on device' },
      /disk is full: free space/,
    ],
    [
      'XX000',
      { message: 'could not extend file "base/5/1": File too large' },
      /larger: free space .*ulimit -f/,
    ],
    ['58030', { message: 'could not write file "pg_wal/1": Disk quota exceeded' }, /larger: .*a quota/],
    // in the server's language
    ['XX000', { message: 'Datei zu groß', routine: 'mdextend' }, /larger: free space/],
    ['XX000', { message: 'Datei zu groß', routine: 'mdzeroextend' }, /larger: free space/],
  ])('no room for more (%s, %o) stops the job with the cure', (state, more, cure) => {
    expect(classify(serverError(state, more), context('sink'))).toMatchObject({
      code: 'DATABASE_REFUSED',
      message: expect.stringMatching(cure),
    })
  })

  test('no room is not read into other errors', () => {
    for (const other of [
      serverError('XX000', { message: 'cache lookup failed', routine: 'relation_open' }),
      serverError('P0001', { message: 'File too large' }),
    ]) {
      expect(classify(other, context('sink')).message).not.toContain('free space')
    }
  })

  test('an OncesinkError passes unchanged', () => {
    const error = new OncesinkError('INVARIANT_VIOLATED', 'x')
    expect(classify(error, context('own'))).toBe(error)
  })

  test('the message says what, where, why and the state, and keeps the cause', () => {
    const cause = serverError('23505', { detail: 'Key (k)=(a) already exists.' })
    const error = classify(cause, context('sink'))
    expect(error.message).toBe(
      'could not merge rows into orders at db.example:5432/shop as me: the server says so ' +
        '(Key (k)=(a) already exists.) [SQLSTATE 23505]',
    )
    expect(error.cause).toBe(cause)
  })

  test('only what carries an SQLSTATE counts as the server’s answer', () => {
    expect(asServerError(serverError('23505'))).not.toBeNull()
    expect(asServerError(Object.assign(new Error('x'), { code: 'EPIPE' }))).toBeNull()
    expect(
      asServerError(Object.assign(new Error('x'), { code: 'EPIPE', severity: undefined })),
    ).not.toBeNull()
    expect(asServerError(new Error('x'))).toBeNull()
    expect(asServerError({ code: '23505', severity: 'ERROR' })).toBeNull()
  })
})
