import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { runChaos } from '../../src/testing/index.ts'
import { postgresEngine } from '../support/engines.ts'
import { oncesink } from '../support/job-process.ts'
import { kafkaService } from '../support/kafka-service.ts'

const root = join(import.meta.dirname, '..', '..')
const job = (name: string) => join(root, 'test', 'support', name)
/** The servers of this run: topics and database are the chaos run's own, and go with it. */
const servers = () => ({ brokers: kafkaService().brokers, databaseUrl: postgresEngine.url })

describe('a chaos run', () => {
  test('proves a job that keeps to its transaction, through faults of process, database and brokers, worker threads and dead letters', {
    timeout: 120_000,
  }, async () => {
    const result = await runChaos({
      job: job('crash-point-job.ts'),
      servers: servers(),
      faults: ['kill-at-point', 'answer-lost', 'poison', 'broker-reset'],
      durationMs: 7_000,
      ratePerSecond: 300,
      seed: 1,
    })
    expect(result.violations).toEqual([])
    expect(result).toMatchObject({ outcome: 'ok', exitCode: 0, lost: 0, duplicated: 0 })
    expect(result.injected).toBeGreaterThan(1)
    // It counts only where connections to brokers really lead through the run's proxies.
    expect(result.faults.find(({ name }) => name === 'broker-reset')?.count).toBeGreaterThan(0)
    expect(result.looks).toBeGreaterThan(1)
    // What was proven is not nothing: the records are there, and so are their witnesses and the rows of its write.
    expect(result.recordsReplayed).toBeGreaterThan(500)
    expect(result.checks[0]?.rows).toBeGreaterThan(500)
  })

  test('catches a job that writes on a connection of its own: what it wrote stays when its batch is run again', {
    timeout: 120_000,
  }, async () => {
    const page = join(root, '.cache', 'unruly.html')
    const { code, stdout, stderr } = await oncesink([
      'chaos',
      job('unruly-write-job.ts'),
      ...['--kafka', servers().brokers.join(','), '--database', servers().databaseUrl],
      ...['--faults', 'commit-lost', '--duration', '2s', '--rate', '300', '--seed', '1', '--json'],
      ...['--report', page],
    ])
    expect(code, stderr).toBe(4)
    const result = JSON.parse(stdout) as Record<string, unknown>
    expect(result).toMatchObject({ outcome: 'violation', lost: 0 })
    expect(result.duplicated).toBeGreaterThan(0)
    expect((result.violations as { class: string; message: string }[])[0]).toMatchObject({
      class: 'check-failed',
      message: expect.stringMatching(/item=item \d+ is there \d+ times, and expected once/),
    })
    expect(stderr).toContain(`report: ${page}`)
  })

  test('of a job that cannot run says why, and harms nothing', { timeout: 60_000 }, async () => {
    const running = runChaos({
      job: job('unruly-write-job.ts'),
      spec: { records: () => ({ value: {} }), tables: {}, checks: [] },
      servers: servers(),
    })
    await expect(running).rejects.toMatchObject({
      code: 'CONFIGURATION_INVALID',
      message: expect.stringMatching(/ended by itself before any fault was injected:\n.*seen/s),
    })
  })
})
