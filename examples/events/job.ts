import {
  append,
  defineJob,
  fields,
  from,
  kafka,
  mysql,
  postgres,
  repartitionToOne,
  text,
  timestamp,
} from 'oncesink'

const url = process.env.DATABASE_URL
const brokers = (process.env.KAFKA_BROKERS ?? 'localhost:9092').split(',')

/** Every click becomes a row: much output, none of which needs to be in memory at once. */
export default defineJob({
  name: 'events-archive',
  database: url?.startsWith('mysql:')
    ? mysql({ connectionString: url })
    : postgres({ connectionString: url }),
  pipeline: from(kafka({ brokers, topics: [process.env.EVENTS_TOPIC ?? 'events'], startFrom: 'earliest' }))
    .decode(fields({ visitor: text(), page: text(), at: timestamp() }))
    .into(
      append({
        table: 'events_archive',
        meta: { partition: 'log_partition', offset: 'log_offset' },
        createTable: {
          visitor: text({ maxLength: 64 }),
          page: text({ maxLength: 200 }),
          at: timestamp(),
        },
      }),
    ),
  strategy: repartitionToOne(),
})
