import { defineJob, from, json, kafka, postgres, write } from 'oncesink'
import pg from 'pg'

/*
 * A negative control: its `write` does not use the transaction that it is given but a connection of its own, so that
 * what it writes stays when the batch is rolled back and run again. A run that does not catch it proves nothing.
 */
interface Order {
  item: string
}

const connectionString = process.env.DATABASE_URL ?? ''
let pool: pg.Pool | null = null

export default defineJob({
  name: 'unruly',
  database: postgres({ connectionString }),
  pipeline: from(kafka({ brokers: (process.env.KAFKA_BROKERS ?? '').split(','), topics: ['items'] }))
    .decode(json<Order>())
    .map(({ item }) => item)
    .into(
      write(async (_, items) => {
        pool ??= new pg.Pool({ connectionString, max: 2 }).on('error', () => {})
        await pool.query('INSERT INTO seen SELECT unnest($1::text[])', [items])
      }),
    ),
})
