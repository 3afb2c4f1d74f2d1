import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { MysqlConversation, MysqlPackets } from '../../../src/chaos/mysql-messages.ts'

const QUERY = 0x03
const PREPARE = 0x16
const EXECUTE = 0x17
const TLS = 0x800
const COMPRESS = 0x20

function packet(number: number, ...payload: (number | string)[]): Buffer {
  const body = Buffer.concat(payload.map((part) => Buffer.from(typeof part === 'number' ? [part] : part)))
  const head = Buffer.alloc(4)
  head.writeUIntLE(body.length, 0, 3)
  head[3] = number
  return Buffer.concat([head, body])
}

function login(capabilities = 0): Buffer {
  const flags = Buffer.alloc(4)
  flags.writeUInt32LE(capabilities)
  return packet(1, ...flags, 'rest of the login')
}

const query = (sql: string) => packet(0, QUERY, sql)
const greeting = packet(0, 10, '9.7.4\0')
const ok = packet(1, 0, 0, 0, 2, 0, 0, 0)
const refused = packet(1, 0xff, 0xbd, 0x04, '#40001Deadlock')
const asId = (id: number) => [id, 0, 0, 0] as const

/** A conversation whose handshake is over. */
function loggedIn(): MysqlConversation {
  const conversation = new MysqlConversation()
  conversation.serverSays(greeting)
  conversation.clientSays(login())
  conversation.serverSays(packet(2, 0, 0, 0, 2, 0, 0, 0))
  return conversation
}

const commits = (conversation: MysqlConversation, ...sent: Buffer[]) =>
  conversation.clientSays(Buffer.concat(sent)).map((message) => message.commits)
const tells = (conversation: MysqlConversation, ...sent: Buffer[]) =>
  conversation.serverSays(Buffer.concat(sent)).map((message) => message.tells)

test('a stream’s packets are the same wherever the segments end', () => {
  const sent = [greeting, ok, packet(3, 'x'.repeat(700)), packet(4)]
  const bytes = Buffer.concat(sent)
  fc.assert(
    fc.property(fc.uniqueArray(fc.nat(bytes.length), { maxLength: 30 }), (cuts) => {
      const packets = new MysqlPackets()
      const at = [0, ...cuts.sort((a, b) => a - b), bytes.length]
      const got = at.slice(1).flatMap((end, i) => packets.push(bytes.subarray(at[i], end)))
      expect(got.map((one) => Buffer.from(one))).toEqual(sent)
    }),
  )
})

describe('knowing a COMMIT', () => {
  test.each(['COMMIT', 'commit;', '  Commit AND CHAIN', '\u0000\u0001COMMIT'])(
    'the query %j is one',
    (sql) => {
      expect(commits(loggedIn(), query(sql))).toEqual([true])
    },
  )

  test.each(["INSERT INTO t VALUES ('COMMIT')", 'committed', 'ROLLBACK', '\u0000\u0002COMMIT'])(
    'the query %j is none',
    (sql) => {
      expect(commits(loggedIn(), query(sql))).toEqual([false])
    },
  )

  test('what is sent before the login is over is none', () => {
    const conversation = new MysqlConversation()
    conversation.serverSays(greeting)
    expect(commits(conversation, login(), packet(3, QUERY, 'COMMIT'))).toEqual([false, false])
  })

  test('the later part of a large statement is none', () => {
    expect(commits(loggedIn(), query('INSERT INTO t VALUES'), packet(1, QUERY, 'COMMIT'))).toEqual([
      false,
      false,
    ])
  })

  test('a file that the server has asked for is none, up to the packet that ends it', () => {
    const conversation = loggedIn()
    commits(conversation, query('LOAD DATA LOCAL INFILE'))
    expect(tells(conversation, packet(1, 0xfb, 'name'))).toEqual([null])
    const file = [packet(2, 'row'), packet(0, QUERY, 'COMMIT'), packet(1)]
    expect(commits(conversation, ...file, query('COMMIT'))).toEqual([false, false, false, true])
  })

  test('a prepared statement is one when it is executed, by the id that the server gave it', () => {
    const conversation = loggedIn()
    for (const [id, sql] of ['SELECT 1', 'COMMIT'].entries()) {
      expect(commits(conversation, packet(0, PREPARE, sql))).toEqual([false])
      tells(conversation, packet(1, 0, ...asId(id + 1), 'columns'))
    }
    expect(commits(conversation, packet(0, EXECUTE, ...asId(1), 0))).toEqual([false])
    expect(commits(conversation, packet(0, EXECUTE, ...asId(2), 0))).toEqual([true])
  })
})

describe('knowing the answer', () => {
  test('to COMMIT: OK says that it was executed, an error does not', () => {
    const conversation = loggedIn()
    commits(conversation, query('COMMIT'))
    expect(tells(conversation, ok)).toEqual(['committed'])
    commits(conversation, query('COMMIT'))
    expect(tells(conversation, refused)).toEqual(['other'])
  })

  test('to anything else is another, and rows that follow are none, whatever they begin with', () => {
    const conversation = loggedIn()
    commits(conversation, query('SELECT NULL'))
    const rows = [packet(1, 1), packet(2, 'column'), packet(3, 0xfb), packet(4, 0)]
    expect(tells(conversation, ...rows)).toEqual(['other', null, null, null])
    expect(commits(conversation, query('COMMIT'))).toEqual([true])
  })
})

test.each([
  ['TLS', TLS],
  ['compression', COMPRESS],
])(
  'a client that asks for %s is not understood from there on, and every byte is passed on',
  (_, capability) => {
    const conversation = new MysqlConversation()
    conversation.serverSays(greeting)
    const sent = Buffer.concat([login(capability), Buffer.from([22, 3, 1])])
    const passed = conversation.clientSays(sent)
    expect(Buffer.concat(passed.map(({ bytes }) => bytes))).toEqual(sent)
    expect(conversation.opaque).toBe(true)
  },
)
