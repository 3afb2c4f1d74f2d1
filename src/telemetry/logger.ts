import pino, { type Logger } from 'pino'
import pretty from 'pino-pretty'
import { formatRange } from '../model/offset-range.ts'
import { topicPartitionKey } from '../model/topic-partition.ts'
import type { JobEventBus } from './events.ts'

export type LogFormat = 'pretty' | 'json'
export const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'silent'] as const
export type LogLevel = (typeof logLevels)[number]

/** Logs go to standard error: standard output carries only what a command was asked for. */
export function createLogger(format: LogFormat, level: LogLevel, color: boolean): Logger {
  if (format === 'json') {
    return pino(
      {
        level,
        base: null,
        timestamp: pino.stdTimeFunctions.isoTime,
        formatters: { level: (label) => ({ level: label }) },
      },
      pino.destination({ fd: 2, sync: true }),
    )
  }
  const stream = pretty({
    destination: 2,
    sync: true,
    colorize: color,
    translateTime: 'HH:MM:ss.l',
    ignore: 'pid,hostname,event',
    singleLine: true,
  })
  return pino({ level, base: null }, stream)
}

/** Writes every event of a job to the log; field names carry units. */
export function logEvents(events: JobEventBus, log: Logger): void {
  events.on('stateChanged', ({ from, to }) => log.info({ event: 'state', from }, to))
  events.on('claimed', ({ claims }) => {
    const positions = Object.fromEntries(claims.map((c) => [topicPartitionKey(c), Number(c.nextOffset)]))
    log.info(
      { event: 'claimed', positions },
      `claimed ${claims.length} partitions, reading from the stored positions`,
    )
  })
  events.on('batch', (batch) => {
    const { durations } = batch
    log.info(
      {
        event: 'batch',
        batchId: batch.batchId,
        records: batch.records,
        ...(batch.deadLetters > 0 && { deadLetters: batch.deadLetters }),
        rows: batch.rows,
        lagRecords: Number(batch.lagRecords),
        limitRecords: batch.limitRecords,
        schedulingDelayMs: round(durations.schedulingDelayMs),
        processingMs: round(durations.processingMs),
        totalDelayMs: round(durations.totalDelayMs),
        computeMs: round(durations.computeMs),
        transactionMs: round(
          durations.advanceMs + durations.rowsMs + durations.ledgerMs + durations.commitMs,
        ),
        ranges: batch.ranges.map(formatRange),
      },
      'batch committed',
    )
  })
  events.on('deadLettered', ({ batchId, letters }) => {
    for (const { topic, partition, offset, cause } of letters) {
      const where = { topic, partition, offset: offset.toString() }
      log.warn(
        { event: 'deadLetter', batchId, ...where, code: cause.code, stage: cause.stage },
        `${topic}/${partition} offset ${offset} is left out, a dead letter now: ${cause.stage} failed: ${cause.message}`,
      )
    }
  })
  events.on('batchFailed', ({ batchId, ranges, reason, error }) =>
    log.warn(
      { event: 'batchFailed', batchId, ranges: ranges.map(formatRange), reason },
      `batch did not commit (${reason}), running again from the stored positions${error ? `: ${error.message}` : ''}`,
    ),
  )
  events.on('outcomeSettled', ({ batchId, committed }) =>
    log.warn(
      { event: 'outcomeSettled', batchId, committed },
      committed
        ? 'the COMMIT without an answer had arrived: not run again'
        : 'the COMMIT without an answer had not arrived: run again',
    ),
  )
  events.on('lost', ({ partitions }) =>
    log.warn(
      { event: 'lost', partitions: partitions.map(topicPartitionKey) },
      'partitions moved to another owner',
    ),
  )
  events.on('retrying', ({ what, error, attempt, delayMs }) =>
    log.warn(
      { event: 'retrying', what, attempt, delayMs: round(delayMs) },
      `${what} is away, trying again: ${error.message}`,
    ),
  )
  events.on('recovered', ({ what }) => log.info({ event: 'recovered', what }, `${what} answers again`))
  events.on('blockerEnded', ({ application }) =>
    log.warn({ event: 'blockerEnded', application }, 'ended a session of an earlier owner that held a lock'),
  )
  events.on('offsetsMirrored', ({ group, offsets, error, failures }) =>
    log.debug(
      { event: 'offsetsMirrored', group, failures },
      error ? `offsets were not mirrored: ${error.message}` : `mirrored ${offsets.length} offsets`,
    ),
  )
  events.on('fileLoaded', ({ file, batchId, range, records, rows, durations }) =>
    log.info(
      {
        event: 'fileLoaded',
        batchId,
        records,
        rows,
        transactionMs: round(
          durations.advanceMs + durations.rowsMs + durations.ledgerMs + durations.commitMs,
        ),
        range: formatRange(range),
        file,
      },
      'file loaded',
    ),
  )
  events.on('fileSetAside', ({ file, range, reason, error }) =>
    log.warn(
      { event: 'fileSetAside', file, range: formatRange(range), reason },
      error
        ? `file rejected, its range is read again in smaller pieces: ${error.message}`
        : 'file set aside, its range is read again from Kafka',
    ),
  )
  events.on('handoffPaused', ({ files, bytes }) =>
    log.warn({ event: 'handoffPaused', files, bytes }, `paused: ${files} files wait to be loaded`),
  )
  events.on('handoffResumed', ({ files, bytes }) =>
    log.info({ event: 'handoffResumed', files, bytes }, 'files are written again'),
  )
  events.on('warning', ({ message }) => log.warn({ event: 'warning' }, message))
}

function round(ms: number): number {
  return Math.round(ms * 10) / 10
}
