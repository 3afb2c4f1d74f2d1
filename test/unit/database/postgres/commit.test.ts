import { describe, expect, test } from 'vitest'
import { commit } from '../../../../src/database/postgres/commit.ts'
import type { Session } from '../../../../src/database/postgres/session.ts'

/** A session whose server answers COMMIT with an error. */
function answering(code: string, severity: string): Session {
  const error = Object.assign(new Error('no'), { code, severity })
  const session: Partial<Session> = {
    broken: false,
    target: 'server',
    send: () => Promise.reject(error),
    classify: (cause) => cause as ReturnType<Session['classify']>,
    destroy: () => {},
  }
  return session as Session
}

describe('an error answer to COMMIT', () => {
  test.each([
    ['23505', 'ERROR'],
    ['23505', 'FEHLER'],
    ['P0001', 'ERREUR'],
    ['40001', 'FEHLER'],
    ['54000', 'ERROR'],
  ])('%s %s is definite, in whatever language the server speaks', async (code, severity) => {
    expect((await commit(answering(code, severity))).kind).toBe('aborted')
  })

  test.each([
    ['57P01', 'FATAL'],
    ['57P01', 'FATAL FEHLER'],
    ['XX000', 'PANIC'],
    ['40003', 'ERROR'],
    ['08006', 'ERROR'],
  ])('%s %s leaves it unknown', async (code, severity) => {
    expect((await commit(answering(code, severity))).kind).toBe('unknown')
  })
})
