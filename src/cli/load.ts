import process from 'node:process'
import type { Logger } from 'pino'
import { ExitCode as Exit, type ExitCode, OncesinkError } from '../errors.ts'
import { loadJob } from '../job/load-job.ts'
import { systemRuntime } from '../runtime/runtime.ts'
import { isFileHandoff } from '../strategy/file-handoff/file-handoff.ts'
import { EventBus, type JobEvents } from '../telemetry/events.ts'
import { logEvents } from '../telemetry/logger.ts'
import { wireLoader } from '../wire.ts'

/** `oncesink load`: loads the files of a job. The first SIGTERM or SIGINT finishes the file at hand, a second one exits. */
export async function load(
  file: string,
  { once }: { readonly once: boolean },
  log: Logger,
): Promise<ExitCode> {
  const job = await loadJob(file)
  const { strategy } = job
  if (!isFileHandoff(strategy)) {
    throw new OncesinkError(
      'CONFIGURATION_INVALID',
      `job '${job.name}' has no files to load: its strategy is ${strategy.name}, and only fileHandoff({ directory }) writes any`,
    )
  }
  const events = new EventBus<JobEvents>()
  logEvents(events, log)
  const loaded = { files: 0, records: 0 }
  events.on('fileLoaded', ({ records }) => {
    loaded.files += 1
    loaded.records += records
  })
  const stopping = new AbortController()
  const onSignal = (signal: NodeJS.Signals) => {
    if (stopping.signal.aborted) {
      log.warn(`${signal} again: exiting at once; a file that was not committed is loaded by the next start`)
      process.exit(Exit.failure)
    }
    log.info(`${signal}: finishing the file at hand (${signal} again exits at once)`)
    stopping.abort()
  }
  process.on('SIGTERM', onSignal)
  process.on('SIGINT', onSignal)
  const { session, loader } = wireLoader(job, strategy, systemRuntime, events)
  try {
    log.info({ event: 'loading', directory: strategy.directory }, `loading files of job '${job.name}'`)
    await loader.run({ stop: stopping.signal, once, patienceMs: job.limits.startupTimeoutMs })
    log.info({ event: 'loadEnded', ...loaded }, `loaded ${loaded.files} files with ${loaded.records} records`)
    return Exit.ok
  } finally {
    await session.close()
    process.off('SIGTERM', onSignal)
    process.off('SIGINT', onSignal)
  }
}
