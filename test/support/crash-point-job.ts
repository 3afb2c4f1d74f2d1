import {
  crashPoint,
  deadLetter,
  defineJob,
  from,
  json,
  kafka,
  mysql,
  postgres,
  workerThreads,
  write,
} from 'oncesink'

/*
 * A job that writes by itself, with a crash point between its statements, in worker threads, and with dead letters: what
 * a run can harm besides.
 */
interface Order {
  item: string
}

const url = process.env.DATABASE_URL ?? ''

export default defineJob({
  name: 'crash-points',
  database: url.startsWith('mysql:') ? mysql({ connectionString: url }) : postgres({ connectionString: url }),
  poison: deadLetter({ maxPerWindow: 100_000 }),
  executor: workerThreads({ count: 2 }),
  pipeline: from(kafka({ brokers: (process.env.KAFKA_BROKERS ?? '').split(','), topics: ['items'] }))
    .decode(json<Order>())
    .map(({ item }) => ({ item }))
    .into(
      write(async (trx, rows) => {
        await trx('seen').insert(rows.map(({ item }) => ({ item })))
        await crashPoint('after-insert')
        await trx('seen').where('item', '').delete()
      }),
    ),
})
