import { defineJob, from, json, kafka, postgres, write } from 'oncesink'

/** What witness-job.ts reads, by the user's own statements: nobody can recompute what they have done. */
export default defineJob({
  name: 'written',
  database: postgres({ connectionString: process.env.DATABASE_URL }),
  pipeline: from(
    kafka({
      brokers: (process.env.ONCESINK_KAFKA_BROKERS ?? '').split(','),
      topics: [process.env.JOB_TOPIC ?? ''],
    }),
  )
    .decode(json<{ key: string; value: number }>())
    .into(
      write(async (trx, rows, batch) => {
        await trx('batches').insert({ rows: rows.length, ranges: batch.ranges.length })
      }),
    ),
})
