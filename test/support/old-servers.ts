import { type AddressInfo, createServer, type Socket } from 'node:net'
import { onTestFinished } from 'vitest'
import { MysqlPackets } from '../../src/chaos/mysql-messages.ts'
import { FrontendMessages } from '../../src/chaos/postgres-messages.ts'

/*
 * Databases that are too old to be had for a test: servers that let everybody in, say which version they are, and
 * refuse whatever else they are asked.
 */

/** @returns the URL of a database on it, gone after the test */
export async function oldMysql(version: string): Promise<string> {
  const port = await serve((socket) => {
    const packets = new MysqlPackets()
    const say = (number: number, ...payloads: Buffer[]) => {
      for (const [i, payload] of payloads.entries()) {
        const header = Buffer.alloc(4)
        header.writeUIntLE(payload.length, 0, 3)
        header[3] = number + i
        socket.write(Buffer.concat([header, payload]))
      }
    }
    say(0, greeting(version))
    let entered = false
    socket.on('data', (chunk) => {
      for (const packet of packets.push(chunk)) {
        const said = packet.toString('latin1', 4)
        if (entered) say(1, ...mysqlAnswer(said, version))
        else say(2, Buffer.from('00000002000000', 'hex'))
        entered = true
      }
    })
  })
  return `mysql://me:secret@127.0.0.1:${port}/shop`
}

/** Of protocol version 10. */
function greeting(version: string): Buffer {
  // Long passwords and flags, a database to begin with, protocol 4.1, transactions, authentication by a plugin.
  const capabilities = 0x8_a2_0d
  const salt = Buffer.alloc(8, 'x')
  const fixed = Buffer.alloc(18)
  fixed.writeUInt16LE(capabilities & 0xffff, 0)
  fixed[2] = 33
  fixed.writeUInt16LE(2, 3)
  fixed.writeUInt16LE(capabilities >>> 16, 5)
  fixed[7] = 21
  return Buffer.concat([
    Buffer.from(`\x0a${version}\0`, 'latin1'),
    Buffer.from([1, 0, 0, 0]),
    salt,
    Buffer.alloc(1),
    fixed,
    Buffer.from('xxxxxxxxxxxx\0mysql_native_password\0', 'latin1'),
  ])
}

function mysqlAnswer(said: string, version: string): Buffer[] {
  if (!said.includes('version()')) return [Buffer.from('\xff\x28\x04#42000no', 'latin1')]
  // What MariaDB puts in front for old replicas is in its greeting alone.
  const row = { version: version.replace(/^5\.5\.5-/, ''), id: '1' }
  const text = (value: string) => Buffer.from(`${String.fromCharCode(value.length)}${value}`, 'latin1')
  const end = Buffer.from([0xfe, 0, 0, 2, 0])
  const columns = Object.keys(row).map((name) =>
    // Of the type VAR_STRING, 255 bytes of utf8.
    Buffer.concat([
      ...['def', '', '', '', name, name].map(text),
      Buffer.from('0c2100ff000000fd0000000000', 'hex'),
    ]),
  )
  return [Buffer.from([columns.length]), ...columns, end, Buffer.concat(Object.values(row).map(text)), end]
}

/**
 * @param version as its setting `server_version` says it: `11.22`
 * @returns the URL of a database on it, gone after the test
 */
export async function oldPostgres(version: string): Promise<string> {
  const port = await serve((socket) => {
    const messages = new FrontendMessages()
    let asksVersion = false
    socket.on('data', (chunk) => {
      for (const { type, bytes } of messages.push(chunk)) {
        if (type === '') socket.write(Buffer.concat([message('R', int32(0)), idle]))
        if (type === 'Q') socket.write(Buffer.concat([message('C', text('BEGIN')), idle]))
        if (type === 'P') asksVersion = bytes.includes('server_version_num')
        if (type === 'S') socket.write(Buffer.concat([...postgresAnswer(asksVersion, version), idle]))
      }
    })
  })
  return `postgres://me:secret@127.0.0.1:${port}/shop?sslmode=disable`
}

function postgresAnswer(asksVersion: boolean, version: string): Buffer[] {
  if (!asksVersion) return [message('E', text('SERROR'), text('C42601'), text('Mno'), Buffer.alloc(1))]
  const [major = 0, minor = 0] = version.split('.').map(Number)
  const row = { number: String(major * 10_000 + minor), version, pid: '1', started: '2020-01-01 00:00:00+00' }
  const int4 = 23
  const textType = 25
  const columns = Object.keys(row).map((name) => {
    const type = name === 'number' || name === 'pid' ? int4 : textType
    return Buffer.concat([text(name), int32(0), int16(0), int32(type), int16(-1), int32(-1), int16(0)])
  })
  const values = Object.values(row).map((value) => Buffer.concat([int32(value.length), Buffer.from(value)]))
  return [
    message('1'),
    message('2'),
    message('T', int16(columns.length), ...columns),
    message('D', int16(values.length), ...values),
    message('C', text('SELECT 1')),
  ]
}

const idle = message('Z', Buffer.from('I'))

function message(type: string, ...parts: Buffer[]): Buffer {
  const body = Buffer.concat(parts)
  return Buffer.concat([Buffer.from(type), int32(body.length + 4), body])
}

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32BE(value)
  return bytes
}

function int16(value: number): Buffer {
  const bytes = Buffer.alloc(2)
  bytes.writeInt16BE(value)
  return bytes
}

function text(value: string): Buffer {
  return Buffer.from(`${value}\0`)
}

/** @returns the port */
async function serve(welcome: (socket: Socket) => void): Promise<number> {
  const open = new Set<Socket>()
  const server = createServer((socket) => {
    open.add(socket)
    // A client that does not like what it hears may hang up at any time.
    socket.on('error', () => {})
    welcome(socket)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.close()
    for (const socket of open) socket.destroy()
  })
  return (server.address() as AddressInfo).port
}
