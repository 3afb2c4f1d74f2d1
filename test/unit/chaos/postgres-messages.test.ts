import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  BackendMessages,
  CommitWatch,
  commandTag,
  FrontendMessages,
  isEncryptionRequest,
} from '../../../src/chaos/postgres-messages.ts'

function message(type: string, ...texts: string[]): Buffer {
  const body = Buffer.concat(texts.map((text) => Buffer.from(`${text}\0`)))
  const head = Buffer.alloc(5)
  head.write(type)
  head.writeUInt32BE(body.length + 4, 1)
  return Buffer.concat([head, body])
}

function untyped(code: number, rest = ''): Buffer {
  const bytes = Buffer.alloc(8 + rest.length)
  bytes.writeUInt32BE(bytes.length, 0)
  bytes.writeUInt32BE(code, 4)
  bytes.write(rest, 8)
  return bytes
}

const sslRequest = untyped(80_877_103)
const startup = untyped(196_608, 'user\0me\0\0')

/** `bytes` cut at arbitrary places. */
const segmentsOf = (bytes: Buffer) =>
  fc.uniqueArray(fc.nat(bytes.length), { maxLength: 30 }).map((cuts) => {
    const at = [0, ...cuts.sort((a, b) => a - b), bytes.length]
    return at.slice(1).map((end, i) => bytes.subarray(at[i], end))
  })

describe('cutting a stream into messages', () => {
  test('a client’s messages are the same wherever the segments end', () => {
    const sent = [sslRequest, startup, message('p', 'x'), message('Q', 'SELECT 1'), message('Q', 'COMMIT')]
    fc.assert(
      fc.property(segmentsOf(Buffer.concat(sent)), (segments) => {
        const messages = new FrontendMessages()
        const got = segments.flatMap((segment) => messages.push(segment))
        expect(got.map(({ type }) => type)).toEqual(['', '', 'p', 'Q', 'Q'])
        expect(got.map(({ bytes }) => Buffer.from(bytes))).toEqual(sent)
        expect(got.map(isEncryptionRequest)).toEqual([true, false, false, false, false])
      }),
    )
  })

  test('a server’s messages are too, after the single bytes with which it answers requests for encryption', () => {
    const said = [Buffer.from('N'), message('R', 'x'), message('C', 'INSERT 0 1'), message('C', 'COMMIT')]
    fc.assert(
      fc.property(segmentsOf(Buffer.concat(said)), (segments) => {
        const messages = new BackendMessages()
        messages.expectSingleByte()
        const got = segments.flatMap((segment) => messages.push(segment))
        expect(got.map(({ bytes }) => Buffer.from(bytes))).toEqual(said)
        expect(got.map(commandTag)).toEqual([null, null, 'INSERT 0 1', 'COMMIT'])
      }),
    )
  })
})

describe('knowing a COMMIT', () => {
  const commits = (...sent: Buffer[]) => {
    const messages = new FrontendMessages()
    const watch = new CommitWatch()
    return messages.push(Buffer.concat([startup, ...sent])).map((one) => watch.isCommit(one))
  }

  test.each(['COMMIT', 'commit;', '  Commit AND CHAIN', 'END'])('the simple query %j is one', (sql) => {
    expect(commits(message('Q', sql))).toEqual([false, true])
  })

  test.each(["INSERT INTO t VALUES ('COMMIT')", 'SELECT 1 -- COMMIT', 'committed', 'ROLLBACK'])(
    'the simple query %j is none',
    (sql) => {
      expect(commits(message('Q', sql))).toEqual([false, false])
    },
  )

  test('rows of a COPY that hold the word are none', () => {
    expect(commits(message('d', 'COMMIT'), message('c'))).toEqual([false, false, false])
  })

  test('an extended query is one when it is executed, by the names of its statement and portal', () => {
    const sent = [message('P', 'a', 'COMMIT'), message('P', '', 'SELECT 1'), message('B', 'p', 'a')]
    expect(commits(...sent, message('B', '', ''), message('E', '', ''), message('E', 'p', ''))).toEqual([
      false,
      false,
      false,
      false,
      false,
      false,
      true,
    ])
  })

  test('a name that is used again means its new statement', () => {
    const commit = [message('P', '', 'COMMIT'), message('B', '', ''), message('E', '', '')]
    const select = [message('P', '', 'SELECT 1'), message('B', '', ''), message('E', '', '')]
    expect(commits(...commit, ...select).slice(1)).toEqual([false, false, true, false, false, false])
  })
})
