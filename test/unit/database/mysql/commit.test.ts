import { describe, expect, test } from 'vitest'
import { commit } from '../../../../src/database/mysql/commit.ts'
import type { Session } from '../../../../src/database/mysql/session.ts'

/** A session whose server answers COMMIT with an error. */
function answering(error: Error): Session & { readonly sent: string[] } {
  const sent: string[] = []
  const session: Partial<Session> & { sent: string[] } = {
    sent,
    broken: false,
    target: 'server',
    send: () => Promise.reject(error),
    query: (text) => {
      sent.push(text)
      return Promise.resolve({ rows: [], affectedRows: 0, warnings: 0, info: '' })
    },
    classify: (cause) => cause as ReturnType<Session['classify']>,
    destroy: () => sent.push('destroyed'),
  }
  return session as Session & { sent: string[] }
}

/** The transaction is the one that was begun. */
const unchanged = () => Promise.resolve()

const serverError = (errno: number, sqlState: string) => Object.assign(new Error('no'), { errno, sqlState })

describe('an error answer to COMMIT', () => {
  test.each([
    [1213, '40001'],
    [1205, 'HY000'],
    [3101, '40000'],
    [9999, '40002'],
  ])('%i %s is definite, and rolled back once more', async (errno, sqlState) => {
    const session = answering(serverError(errno, sqlState))
    expect((await commit(session, unchanged)).kind).toBe('aborted')
    expect(session.sent).toEqual(['ROLLBACK'])
  })

  test.each([
    [1180, 'HY000'],
    [1020, 'HY000'],
    [1062, '23000'],
    [9999, '22003'],
    [1317, '70100'],
    [1969, '70100'],
    [1290, 'HY000'],
    [1053, '08S01'],
    [1927, '70100'],
    [9999, '40003'],
    [1105, 'HY000'],
  ])('%i %s leaves it unknown, and the connection is cut', async (errno, sqlState) => {
    const session = answering(serverError(errno, sqlState))
    expect((await commit(session, unchanged)).kind).toBe('unknown')
    expect(session.sent).toEqual(['destroyed'])
  })

  test('so does one that is not the server’s', async () => {
    const lost = Object.assign(new Error('lost'), { code: 'PROTOCOL_CONNECTION_LOST' })
    expect((await commit(answering(lost), unchanged)).kind).toBe('unknown')
  })
})
