import { join } from 'node:path'
import { expect, test } from 'vitest'
import { onEveryEngine, ownServer } from '../support/engines.ts'
import { eventually } from '../support/eventually.ts'
import { drain, intoSeenWithText, observe, openBench } from '../support/running-job.ts'
import { smallDisk } from '../support/small-disk.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

/** Text that makes a row wide, and yet stays within it. */
const wide = 'x'.repeat(1_500)

onEveryEngine((engine) => {
  const disk = smallDisk()
  const isPostgres = engine.name === 'postgres'

  test.skipIf(disk === null)(
    'a disk that is full (ENOSPC, where this process may mount one) stops the job with the reason; with room again nothing is lost',
    async () => {
      if (disk === null) return
      const settings: Readonly<Record<string, string>> = isPostgres
        ? {}
        : // MySQL waits for a minute when it has no room for its binary log, and does not look before that is over.
          { 'log-bin': join(await temporaryFolder(), 'binlog') }
      const server = await disk.holds(() => ownServer(engine, { settings }))
      const bench = await openBench('disk-full', {
        engine,
        serverUrl: server.url,
        tables: ({ longText }) =>
          `CREATE TABLE seen ("partition" int NOT NULL, log_offset bigint NOT NULL, v bigint NOT NULL, k ${longText} NOT NULL)`,
      })
      const job = () => bench.job({ pipelines: (orders) => [intoSeenWithText(orders)] })
      const produce = (records: number) =>
        bench.produce(Array.from({ length: records }, (_, v) => ({ k: wide, v })))
      await produce(20)
      const { failure } = await observe(job())
      await bench.untilCommitted()
      // PostgreSQL ends when it cannot make another file of its log: it has begun one, with room enough.
      if (isPostgres) await bench.database.run('SELECT pg_switch_wal(); CHECKPOINT')
      disk.fill()
      try {
        // More than what is left in pages that are begun, of which InnoDB may have an extent (1 MiB).
        for (let i = 0; i < 5; i++) await produce(400)
        expect(await failure()).toMatchObject({
          code: 'DATABASE_REFUSED',
          message: expect.stringMatching(
            isPostgres
              ? /could not extend file .*No space left on device.*disk is full: free space, then start again/
              : /full: free space, then start again/,
          ),
        })
        expect(await bench.brokenLinks()).toEqual([])
      } finally {
        disk.makeRoom()
      }
      await eventually(() => drain(job()))
      expect(await bench.seen()).toEqual(bench.expected().seen)
      expect(await bench.brokenLinks()).toEqual([])
    },
  )
})
