import process from 'node:process'
import type { Logger } from 'pino'
import { ExitCode as Exit, type ExitCode } from '../errors.ts'
import { loadJob } from '../job/load-job.ts'
import { start } from '../job/start.ts'
import { EventBus, type JobEvents } from '../telemetry/events.ts'
import { logEvents } from '../telemetry/logger.ts'

export interface RunOptions {
  readonly once: boolean
  readonly acceptShapeChange: boolean
}

/** `oncesink run`: the long-lived job. The first SIGTERM or SIGINT finishes the batch in flight, a second one exits. */
export async function run(file: string, options: RunOptions, log: Logger): Promise<ExitCode> {
  log.info({ event: 'process', startMs: Math.round(process.uptime() * 1000) }, `loading ${file}`)
  const job = await loadJob(file)
  const events = new EventBus<JobEvents>()
  logEvents(events, log)
  const stopping = new AbortController()
  const onSignal = (signal: NodeJS.Signals) => {
    if (stopping.signal.aborted) {
      log.warn(`${signal} again: exiting at once; what was not committed is run again by the next start`)
      process.exit(Exit.failure)
    }
    log.info(`${signal}: finishing the batch in flight (${signal} again exits at once)`)
    stopping.abort()
  }
  process.on('SIGTERM', onSignal)
  process.on('SIGINT', onSignal)
  try {
    const running = await start(job, { ...options, signal: stopping.signal, events })
    await running.done
    return Exit.ok
  } finally {
    process.off('SIGTERM', onSignal)
    process.off('SIGINT', onSignal)
  }
}
