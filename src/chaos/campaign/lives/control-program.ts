/*
 * What others do: a plain consumer and a plain connection, with the positions in Kafka. Three ways that are all wrong;
 * the checker has to find what they lose or repeat. It takes a ControlPlan as JSON, and speaks as job-program.ts does.
 */
import process from 'node:process'
import kafkajs from 'kafkajs'
import { hearCommands, say } from '../../life/line-talk.ts'
import { connectSql } from '../sql.ts'
import type { ControlPlan, LifeLine } from './life-plan.ts'

const { Kafka, logLevel } = kafkajs

hearCommands(() => {})

const { kind, spec } = JSON.parse(process.argv[2] ?? '') as ControlPlan
void consume()

async function consume(): Promise<void> {
  const database = await connectSql(spec.engine, spec.url)
  const kafka = new Kafka({ clientId: 'control', brokers: [...spec.brokers], logLevel: logLevel.NOTHING })
  const consumer = kafka.consumer({
    groupId: `${spec.topic}-control`,
    sessionTimeout: spec.sessionTimeoutMs ?? 10_000,
    heartbeatInterval: 250,
    maxWaitTimeInMs: 50,
  })
  const isAutomatic = kind === 'committed before'

  await consumer.connect()
  await consumer.subscribe({ topics: [spec.topic], fromBeginning: true })
  await consumer.run({
    // What was handed out counts as done, as with every client whose positions are committed by the way.
    autoCommit: isAutomatic,
    ...(isAutomatic && { autoCommitThreshold: 1 }),
    eachBatchAutoResolve: false,
    eachBatch: async ({ batch, resolveOffset, commitOffsetsIfNecessary, heartbeat }) => {
      const size = spec.maxRecords ?? 100
      for (let at = 0; at < batch.messages.length; at += size) {
        const messages = batch.messages.slice(at, at + size)
        const last = messages.at(-1)?.offset ?? '0'
        const rows = messages.map(({ offset, value }) => {
          const { n } = JSON.parse(String(value)) as { n: number }
          return `(${batch.partition}, ${offset}, ${n}, '')`
        })
        const write = () => database.query(`INSERT INTO witness VALUES ${rows.join()}`)
        const commit = () =>
          consumer.commitOffsets([
            { topic: batch.topic, partition: batch.partition, offset: String(BigInt(last) + 1n) },
          ])
        if (isAutomatic) {
          resolveOffset(last)
          await commitOffsetsIfNecessary()
          await write()
        } else {
          await write()
          resolveOffset(last)
          if (kind === 'committed after') commit().catch(() => {})
          // A callback hears of what has failed, and tries again: which is no help to who is dead.
          else await commit().catch(() => commit())
        }
        tell({ event: 'batch', records: messages.length })
        await heartbeat()
      }
    },
  })
}

function tell(line: LifeLine): void {
  say(process.stdout.fd, line)
}
