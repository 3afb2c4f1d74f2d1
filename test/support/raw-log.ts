import { createHash } from 'node:crypto'
import { systemClock } from '../../src/runtime/clock.ts'
import { Brokers } from '../../src/source/kafka/brokers.ts'
import { kafka } from '../../src/source/kafka/options.ts'
import { fetchRequest } from '../../src/source/kafka/protocol/fetch.ts'
import { metadataRequest } from '../../src/source/kafka/protocol/metadata.ts'
import {
  codecOf,
  hasLogAppendTime,
  isControl,
  scanRecordBatches,
} from '../../src/source/kafka/record-batch.ts'
import { kafkaService } from './kafka-service.ts'

/** What partition 0 of a topic consists of, record batch by record batch. */
export interface RawLog {
  /** The offset after the last batch. */
  readonly end: number
  /** Records in all data batches, visible or not. */
  readonly records: number
  /** Codecs of the data batches that hold records. */
  readonly codecs: ReadonlySet<number>
  readonly controlBatches: number
  /** Data batches of which compaction has left the header only. */
  readonly emptyBatches: number
  readonly appendTimeBatches: number
  /** Changes when anything in the log does. */
  readonly fingerprint: string
}

/** Fetches everything from offset 0 on; the log must begin there, and end with the end of a transaction. */
export async function readRawLog(topic: string): Promise<RawLog> {
  const { brokers: addresses } = kafkaService()
  const brokers = new Brokers(kafka({ brokers: addresses, topics: [topic] }), systemClock)
  try {
    const metadata = await brokers.sendToAny(metadataRequest([topic]))
    brokers.update(metadata.brokers)
    const [described] = metadata.topics
    const leader = described?.partitions.find(({ partition }) => partition === 0)
    if (described === undefined || leader === undefined) throw new Error(`${topic} has no partition 0`)
    const counts = { records: 0, controlBatches: 0, emptyBatches: 0, appendTimeBatches: 0 }
    const codecs = new Set<number>()
    const hash = createHash('sha256')
    let end = 0
    for (;;) {
      const position = { topic, partition: 0, topicId: described.topicId, fetchOffset: end }
      const request = fetchRequest([{ ...position, leaderEpoch: -1, maxBytes: 1_000_000 }], {
        isolation: 'read_uncommitted',
        maxWaitMs: 100,
        minBytes: 1,
        maxBytes: 1_000_000,
      })
      const [fetched] = (await brokers.sendTo(leader.leader, request)).partitions
      if (fetched === undefined || fetched.errorCode !== 0) throw new Error(`error ${fetched?.errorCode}`)
      if (BigInt(end) >= fetched.highWatermark && fetched.lastStableOffset === fetched.highWatermark) break
      const batches = scanRecordBatches(fetched.recordBatches, position)
      for (const batch of batches) {
        hash.update(`${batch.baseOffset} ${batch.nextOffset} ${batch.count} ${batch.size};`)
        end = batch.nextOffset
        if (isControl(batch)) {
          counts.controlBatches += 1
          continue
        }
        counts.records += batch.count
        if (batch.count === 0) counts.emptyBatches += 1
        else codecs.add(codecOf(batch))
        if (hasLogAppendTime(batch)) counts.appendTimeBatches += 1
      }
    }
    return { ...counts, end, codecs, fingerprint: hash.digest('hex') }
  } finally {
    brokers.close()
  }
}
