import { describe, expect, test } from 'vitest'
import type { Job } from '../../src/job/job.ts'
import { accept, planLosses } from '../support/accept-loss.ts'
import { onEveryEngine } from '../support/engines.ts'
import { eventually } from '../support/eventually.ts'
import { logLines } from '../support/job-process.ts'
import { deleteRecordsBelow, kafkaAdmin, produceAfresh } from '../support/kafka-admin.ts'
import { drain, Gate, observe, openBench, startFailure, withFaults } from '../support/running-job.ts'
import { verified } from '../support/verified.ts'
import { createWorld } from '../support/witness-world.ts'

/** Starts `job`, which then holds a batch that it has fetched, until the gate is opened. */
async function withFetchedBatch(job: Job) {
  const gate = new Gate()
  const runtime = withFaults((point) => (point === 'batch.fetched' ? gate.pass() : undefined))
  const observed = await observe(job, { runtime })
  await gate.reached
  return { gate, ...observed }
}

describe('oncesink accept-loss', () => {
  test('shows what is lost and changes nothing; with --execute and a reason the job goes on, and everybody can see why', async () => {
    const world = await createWorld()
    const accept = (...args: string[]) => world.command('accept-loss', ['--format', 'json', ...args])
    await world.produce(30)
    await world.drain()
    const nothing = await world.command('accept-loss')
    expect([nothing.code, nothing.stdout]).toEqual([
      0,
      '(every stored position holds: there is no loss to accept)\n',
    ])

    await world.produce(60)
    await world.deleteRecords(1, 17)
    const halted = await world.command('run', ['--once'])
    expect(halted.code).toBe(1)
    expect(logLines(halted).at(-1)?.msg).toContain('look at `oncesink accept-loss <job file>`')

    const before = await world.snapshot()
    const plan = await accept()
    expect(plan.code, plan.stderr).toBe(0)
    expect(JSON.parse(plan.stdout)).toEqual([
      {
        topic: world.topic,
        partition: 1,
        position: 10,
        logStart: 17,
        logEnd: 30,
        cause: 'retention',
        lost: '[10, 17)',
        lostOffsets: 7,
        resumeAt: 17,
      },
    ])
    expect(plan.stderr).toContain('run the command again with --reason "..." --execute')
    const unreasoned = await accept('--execute')
    expect(unreasoned.code).toBe(2)
    expect(unreasoned.stderr).toContain('--execute needs --reason')
    const elsewhere = await accept('--topic', `${world.topic}:0,7`)
    expect(elsewhere.code).toBe(2)
    expect(elsewhere.stderr).toContain(`job 'witnessed' has no position of ${world.topic}/7; it has`)
    const others = await accept('--topic', `${world.topic}:0,2`)
    expect([others.code, others.stdout]).toEqual([0, '[]\n'])
    expect((await world.snapshot()).ledger).toEqual(before.ledger)

    const done = await accept(
      '--execute',
      '--reason',
      'disk was full',
      '--actor',
      'ann',
      '--topic',
      world.topic,
    )
    expect(done.code, done.stderr).toBe(0)
    const { ledger, positions } = await world.snapshot()
    expect(ledger.filter(({ kind }) => kind === 'accept_loss')).toMatchObject([
      {
        partition: 1,
        fromOffset: 10n,
        untilOffset: 17n,
        incarnation: 1,
        actor: 'ann',
        reason: 'disk was full',
      },
    ])
    expect(positions.map(({ nextOffset, incarnation }) => [nextOffset, incarnation])).toEqual([
      [10n, 0],
      [17n, 1],
      [10n, 0],
    ])

    await world.drain()
    const { witness } = await world.snapshot()
    const lost = Array.from({ length: 7 }, (_, i) => `1/${10 + i} `)
    expect(witness).toHaveLength(83)
    expect(witness.filter((line) => lost.some((prefix) => line.startsWith(prefix)))).toEqual([])
    const verified = await world.command('verify')
    // What was read before is gone from the log as well.
    expect(verified.code, verified.stdout).toBe(5)
    expect(verified.stdout).toMatch(
      new RegExp(
        `accepted +records \\[10, 17\\) of ${world.topic}/1 were gone before they were read; accepted by ann at .*: disk was full`,
      ),
    )
    expect(verified.stdout).toContain('unbroken over 3 partitions')
  })
})

onEveryEngine((engine) => {
  describe('accepting a loss', () => {
    test('of records that the job was owed leaves a table that verify finds right', async () => {
      const bench = await openBench('owed_lost', { engine, partitions: 1 })
      const job = bench.job({ source: { startFrom: 'latest' } })
      await drain(job)
      await bench.produce(20)
      await deleteRecordsBelow(bench.topic, 5)
      await accept(job, await planLosses(job))
      await drain(job)
      expect(await bench.seen()).toEqual(
        bench.expected(bench.produced.filter(({ offset }) => offset >= 5)).seen,
      )
      const report = await verified(job)
      expect(report.inconclusive).toEqual([])
      expect(report).toMatchObject({ outcome: 'ok', lost: 0n, duplicated: 0n, recordsReplayed: 15 })
      expect(report.chain.acceptedLosses).toMatchObject([{ fromOffset: 0n, untilOffset: 5n }])
    })

    test('of a topic that was created again reads the new one from its beginning; all its partitions at once', async () => {
      const bench = await openBench('again', { engine, partitions: 2 })
      const job = bench.job()
      await bench.produce(20)
      await drain(job)
      const admin = await kafkaAdmin()
      await admin.deleteTopics({ topics: [bench.topic] })
      await eventually(async () => !(await admin.listTopics()).includes(bench.topic))
      await admin.createTopics({ waitForLeaders: true, topics: [{ topic: bench.topic, numPartitions: 3 }] })
      const orders = [0, 1, 2].map((partition) => ({ partition, value: `{"k":"new","v":${partition}}` }))
      await eventually(() => produceAfresh(bench.topic, orders).then(() => true))
      expect(await startFailure(job)).toMatchObject({
        code: 'TOPIC_RECREATED',
        message: expect.stringContaining('look at `oncesink accept-loss <job file>`'),
      })

      const half = await planLosses(job, ({ partition }) => partition === 0)
      await expect(accept(job, half)).rejects.toMatchObject({
        code: 'CONFIGURATION_INVALID',
        message: `topic "${bench.topic}" was created again as a whole: its partitions cannot be accepted one by one, and ${bench.topic}/1 was left out; name the topic without partitions`,
      })
      expect(await bench.positions()).toEqual([10, 10])

      const plan = await planLosses(job)
      expect(plan.lost.map(({ loss }) => [loss.cause, loss.resumeAt])).toEqual([
        ['recreated', 0n],
        ['recreated', 0n],
      ])
      await accept(job, plan)
      await drain(job)
      const totals = bench.expected().totals
      expect(await bench.totals()).toEqual([...totals, { k: 'new', n: 3, total: 3 }])
      const report = await verified(job)
      expect(report.outcome).toBe('inconclusive')
      expect(report.inconclusive[0]).toContain(
        `what ${bench.topic}/0 held up to 10 is gone: its topic was created again, which ann@host has accepted`,
      )
      // And again, so that the new id is what counts from now on.
      await drain(job)
      expect((await planLosses(job)).lost).toEqual([])
    })

    test('is refused while the owner lives; where it is fenced instead, what it had in hand is never committed', async () => {
      const bench = await openBench('zombie', { engine, partitions: 1 })
      await bench.produce(10)
      await drain(bench.job())
      await bench.produce(10)
      const { gate, failure } = await withFetchedBatch(bench.job({ source: { assignment: 'all' } }))
      // It holds records that the log has no longer.
      await deleteRecordsBelow(bench.topic, 17)
      const plan = await planLosses(bench.job())
      await expect(accept(bench.job(), plan)).rejects.toMatchObject({
        code: 'PREFLIGHT_FAILED',
        message: expect.stringMatching(
          /^process .+:\d+ of job '.+' owns .+\/0, and its session \d+ is open at the database: stop it first.*--fence-owner/,
        ),
      })
      expect(await bench.positions()).toEqual([10])
      await accept(bench.job(), plan, true)
      gate.open()
      expect(await failure()).toMatchObject({ code: 'OWNERSHIP_LOST', exitCode: 3 })
      await drain(bench.job())
      const kept = bench.produced.filter(({ offset }) => offset < 10 || offset >= 17)
      expect(await bench.seen()).toEqual(bench.expected(kept).seen)
      expect((await verified(bench.job())).chain.violations.first).toEqual([])
    })

    test('is refused when the position has been claimed since the plan was made', async () => {
      const bench = await openBench('moved', { engine, partitions: 1 })
      const job = bench.job()
      await bench.produce(10)
      await drain(job)
      await bench.produce(10)
      await deleteRecordsBelow(bench.topic, 15)
      const plan = await planLosses(job)
      expect(await startFailure(job)).toMatchObject({ code: 'OFFSET_OUT_OF_RANGE' })
      // The server may take that job's session for open a moment longer.
      const refusal = () => accept(job, plan).catch((error: unknown) => error)
      await expect.poll(refusal, { timeout: 10_000 }).toMatchObject({
        code: 'FENCED',
        message: expect.stringContaining('nothing was changed: the position of'),
      })
      expect(await bench.positions()).toEqual([10])
    })
  })
})

// What the log and the brokers say does not depend on the database.
describe('accepting a loss', () => {
  test('of a log that has lost what was read goes back to where it ends now, and counts what comes there', async () => {
    const bench = await openBench('cut', { partitions: 1 })
    const job = bench.job()
    await bench.produce(20)
    await drain(job)
    // As if the broker had been restored: it knows nothing of the epoch in which these records were read.
    await bench.database.knex('oncesink.oncesink_offsets').update({ leader_epoch: 99 })
    expect(await startFailure(job)).toMatchObject({ code: 'LOG_TRUNCATED' })
    const plan = await planLosses(job)
    expect(plan.lost.map(({ loss }) => [loss.cause, loss.resumeAt])).toEqual([['truncated', 20n]])
    await accept(job, plan)
    await bench.produce(5)
    await drain(job)
    expect(await bench.seen()).toEqual(bench.expected().seen)
    const report = await verified(job)
    expect(report).toMatchObject({ outcome: 'inconclusive' })
    expect(report.chain.violations.first).toEqual([])
  })

  test('a member of a group that is fenced by it claims again, and goes on where the act has put it; what it had in hand is never committed', async () => {
    const bench = await openBench('member', { partitions: 2 })
    await bench.produce(20)
    await drain(bench.job())
    await bench.produce(20)
    const { gate, running, heard } = await withFetchedBatch(bench.job())
    await deleteRecordsBelow(bench.topic, 17)
    await accept(bench.job(), await planLosses(bench.job()), true)
    gate.open()
    await eventually(async () => `${await bench.positions()}` === '20,20')
    expect(running.state).toBe('running')
    expect(heard.lost.map(({ partitions }) => partitions.map(({ partition }) => partition))).toEqual([[0]])
    const kept = bench.produced.filter(
      ({ partition, offset }) => partition === 1 || offset < 10 || offset >= 17,
    )
    expect(await bench.seen()).toEqual(bench.expected(kept).seen)
    expect((await verified(bench.job())).chain.violations.first).toEqual([])
  })

  test('fences a living owner also where the position stays what it is', async () => {
    const bench = await openBench('stays', { partitions: 1 })
    await bench.produce(10)
    await drain(bench.job())
    await bench.produce(10)
    const { gate, failure } = await withFetchedBatch(bench.job({ source: { assignment: 'all' } }))
    await bench.database.knex('oncesink.oncesink_offsets').update({ leader_epoch: 99 })
    await accept(bench.job(), await planLosses(bench.job()), true)
    expect(await bench.positions()).toEqual([10])
    gate.open()
    expect(await failure()).toMatchObject({ code: 'OWNERSHIP_LOST', exitCode: 3 })
    expect(await bench.seen()).toHaveLength(10)
    await drain(bench.job())
    expect(await bench.seen()).toEqual(bench.expected().seen)
  })

  test('says nothing of an earliest start that the next claim resolves again by itself', async () => {
    const bench = await openBench('renews', { partitions: 1 })
    await bench.produce(5)
    const crash = withFaults((point) => {
      if (point === 'batch.fetched') throw new Error('crash')
    })
    await expect((await observe(bench.job(), { runtime: crash })).running.done).rejects.toThrow('crash')
    await deleteRecordsBelow(bench.topic, 3)
    expect((await planLosses(bench.job())).lost).toEqual([])
  })

  test('of another cluster is refused', async () => {
    const bench = await openBench('cluster', { partitions: 1 })
    const job = bench.job()
    await bench.produce(10)
    await drain(job)
    await bench.produce(1)
    await deleteRecordsBelow(bench.topic, 11)
    const plan = await planLosses(job)
    await expect(accept(job, { ...plan, clusterId: 'other' })).rejects.toMatchObject({
      code: 'JOB_IDENTITY_CONFLICT',
      message: expect.stringContaining('these brokers belong to cluster other; correct the brokers'),
    })
  })
})
