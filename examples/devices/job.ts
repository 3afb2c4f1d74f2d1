import {
  decimal,
  defineJob,
  fields,
  from,
  kafka,
  mysql,
  perPartition,
  postgres,
  string,
  text,
  timestamp,
  upsert,
} from 'oncesink'

const url = process.env.DATABASE_URL
const brokers = (process.env.KAFKA_BROKERS ?? 'localhost:9092').split(',')

/** The last report of each device. A device is in one partition, so partitions never write the same row. */
export default defineJob({
  name: 'device-state',
  database: url?.startsWith('mysql:')
    ? mysql({ connectionString: url })
    : postgres({ connectionString: url }),
  pipeline: from(kafka({ brokers, topics: [process.env.DEVICES_TOPIC ?? 'devices'], startFrom: 'earliest' }))
    .decode(fields({ celsius: decimal(1), seen: timestamp() }), { key: string() })
    .into(
      upsert({
        table: 'device_state',
        key: { device: (meta) => meta.key },
        createTable: { device: text({ maxLength: 64 }), celsius: decimal(1), seen: timestamp() },
      }),
    ),
  strategy: perPartition({ connections: 4 }),
})
