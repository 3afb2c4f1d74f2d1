import { defineJob, from, json, kafka, mysql, postgres } from 'oncesink'
import { intoDeclaredTables, type Order } from './declared-tables.ts'

/** Declares its tables, for commands that make them; there is no broker to ask. */

const { JOB_ENGINE, DATABASE_URL: connectionString } = process.env

export default defineJob({
  name: 'declaring',
  database: JOB_ENGINE === 'postgres' ? postgres({ connectionString }) : mysql({ connectionString }),
  pipeline: intoDeclaredTables(
    from(kafka({ brokers: ['127.0.0.1:1'], topics: ['orders'] })).decode(json<Order>()),
  ),
})
