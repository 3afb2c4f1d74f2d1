/*
 * What the database takes at best in one session: the same rows from a file, by COPY or LOAD DATA LOCAL, in one
 * transaction. Where the server refuses LOAD DATA LOCAL, by INSERTs of a megabyte each.
 */
import { createReadStream } from 'node:fs'
import { createInterface } from 'node:readline'
import { pipeline } from 'node:stream/promises'
import mysql from 'mysql2/promise'
import pg from 'pg'
import { from as copyFrom } from 'pg-copy-streams'

const env = (name: string) => process.env[name] ?? ''
const [url, table, file] = [env('BENCH_DATABASE_URL'), env('BENCH_TABLE'), env('BENCH_FILE')]
const read = () => createReadStream(file, { highWaterMark: 2 ** 20 })
const statementCharacters = 2 ** 20

const seconds = env('BENCH_ENGINE') === 'postgres' ? await byCopy() : await byLoadData()
console.log(JSON.stringify({ seconds }))

async function byCopy(): Promise<number> {
  const client = new pg.Client(url)
  await client.connect()
  const beganAt = performance.now()
  await client.query('BEGIN')
  await pipeline(read(), client.query(copyFrom(`COPY ${table} FROM STDIN`)))
  await client.query('COMMIT')
  const took = performance.now() - beganAt
  await client.end()
  return took / 1_000
}

async function byLoadData(): Promise<number> {
  const client = await mysql.createConnection(url)
  const beganAt = performance.now()
  await client.query('START TRANSACTION')
  if (env('BENCH_LOCAL_INFILE') === 'yes') {
    await client.query({
      sql: `LOAD DATA LOCAL INFILE 'rows' INTO TABLE ${table} CHARACTER SET utf8mb4`,
      infileStreamFactory: read,
    })
  } else {
    await byInserts(client)
  }
  await client.query('COMMIT')
  const took = performance.now() - beganAt
  await client.end()
  return took / 1_000
}

async function byInserts(client: mysql.Connection): Promise<void> {
  let rows = ''
  const send = async () => {
    if (rows !== '') await client.query(`INSERT INTO ${table} VALUES ${rows}`)
    rows = ''
  }
  for await (const line of createInterface({ input: read() })) {
    const [item, customer, amount, at, part, offset] = line.split('\t')
    rows += `${rows === '' ? '' : ','}('${item}','${customer}',${amount},'${at}',${part},${offset})`
    if (rows.length >= statementCharacters) await send()
  }
  await send()
}
