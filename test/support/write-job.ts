import { defineJob, from, json, kafka, mysql, postgres, write } from 'oncesink'

/** What witness-job.ts reads, by the user's own statements: nobody can recompute what they have done. */
export default defineJob({
  name: 'written',
  database:
    process.env.JOB_ENGINE === 'postgres'
      ? postgres({ connectionString: process.env.DATABASE_URL })
      : mysql({ connectionString: process.env.DATABASE_URL }),
  pipeline: from(
    kafka({
      brokers: (process.env.ONCESINK_KAFKA_BROKERS ?? '').split(','),
      topics: [process.env.JOB_TOPIC ?? ''],
      group: process.env.JOB_TOPIC ?? '',
    }),
  )
    .decode(json<{ key: string; value: number }>())
    .into(
      write(async (trx, rows, batch) => {
        await trx('batches').insert({ records: rows.length, ranges: batch.ranges.length })
      }),
    ),
})
