import { drive } from '../driver/driver.ts'
import { untilDone } from '../driver/until-done.ts'
import { asError, OncesinkError } from '../errors.ts'
import { unknownOption } from '../model/known-options.ts'
import { type Runtime, systemRuntime } from '../runtime/runtime.ts'
import { EventBus, type JobEventBus, type JobEvents, type JobState } from '../telemetry/events.ts'
import type { Wired } from '../wire.ts'
import { ownWorkerData, refuse } from '../worker/worker-data.ts'
import type { Job } from './job.ts'
import { preflight } from './preflight.ts'

export interface StartOptions {
  /** Aborting it is the same as calling {@link RunningJob.stop}. */
  readonly signal?: AbortSignal
  /** Drain to the last stable offsets seen at the start, then end. Default false. */
  readonly once?: boolean
  /** Replace the stored shape by this job's instead of refusing a changed one. Default false. */
  readonly acceptShapeChange?: boolean
  /** Listeners added here hear the start as well. Default: a bus of its own. */
  readonly events?: JobEventBus
  /** Time, chance and fault points. Default: the system's. */
  readonly runtime?: Runtime
}

export interface RunningJob {
  readonly job: Job
  readonly state: JobState
  /** Adds a listener; the returned function removes it. */
  on<K extends keyof JobEvents>(name: K, listener: (event: JobEvents[K]) => void): () => void
  /**
   * Finishes the batch in flight, closes every connection, and resolves.
   * @throws OncesinkError SHUTDOWN_DEADLINE after `limits.shutdownTimeoutMs`; what was not committed is run again by
   *   the next start
   */
  stop(): Promise<void>
  /** Resolves when the job has ended; rejects with the OncesinkError that ended it. Await it, or call {@link stop}. */
  readonly done: Promise<void>
}

const known = {
  signal: true,
  once: true,
  acceptShapeChange: true,
  events: true,
  runtime: true,
} satisfies Readonly<Record<keyof StartOptions, true>>

/**
 * Starts a job and resolves once it has claimed its partitions and reads: preflight, migrate, claim, seek, loop.
 * @throws OncesinkError why it cannot run, an unknown option among them; nothing was written then but oncesink's own tables
 */
export async function start(job: Job, options: StartOptions = {}): Promise<RunningJob> {
  const wrong = unknownOption('start', options, Object.keys(known))
  if (wrong !== null) throw new OncesinkError('CONFIGURATION_INVALID', wrong)
  refuseWorker(job)
  // Loaded when it is needed: job files import this module too, and their worker threads use no database.
  const { wire } = await import('../wire.ts')
  const runtime = options.runtime ?? systemRuntime
  const events = options.events ?? new EventBus<JobEvents>()
  let state: JobState = 'starting'
  events.on('stateChanged', ({ to }) => {
    state = to
  })
  const stopping = new AbortController()
  if (options.signal?.aborted) stopping.abort()
  options.signal?.addEventListener('abort', () => stopping.abort(), { once: true })

  let onRunning = () => {}
  const running = new Promise<void>((resolve) => {
    onRunning = resolve
  })
  const wired = wire(job, runtime, events, { acceptShapeChange: options.acceptShapeChange ?? false })
  const finished = live(wired, stopping.signal, options.once ?? false, onRunning)
  const done = withDeadline(finished, stopping.signal, job, runtime).catch((error: unknown) => {
    events.emit('stateChanged', { from: state, to: 'failed' })
    throw error
  })
  await Promise.race([running, done])
  return {
    job,
    get state() {
      return state
    },
    on: (name, listener) => events.on(name, listener),
    stop: () => {
      stopping.abort()
      return done
    },
    done,
  }
}

/** A worker thread loads the job's module: what that does besides defining the job happens in every worker. */
function refuseWorker(job: Job): void {
  const worker = ownWorkerData()
  if (!worker) return
  const error = new OncesinkError(
    'CONFIGURATION_INVALID',
    `the module of job '${job.name}' calls start() when it is loaded, and its worker threads load it too: start the job from ` +
      "another module, or only `if (isMainThread)`, which 'node:worker_threads' exports",
  )
  refuse(worker, error)
  throw error
}

/** The life of a job, from the first connection to the last. */
async function live(wired: Wired, stop: AbortSignal, once: boolean, onRunning: () => void): Promise<void> {
  const { job, session, source, membership, executor, strategy, events, mirror } = wired
  let isOwner = true
  try {
    mirror?.start()
    const connected = await untilDone(wired, stop, job.limits.startupTimeoutMs, async () => {
      await source.open()
      await executor.open()
      await preflight(job, await session.connection(), events)
    })
    if (connected) await drive(wired, { stop, once, onRunning })
  } catch (error) {
    isOwner = !(error instanceof OncesinkError && error.code === 'OWNERSHIP_LOST')
    throw error
  } finally {
    await mirror?.close(isOwner)
    await strategy.deferred?.close()
    await strategy.close?.()
    await membership.stop()
    await executor.close()
    await source.close()
    await session.close()
  }
}

/** `work`, but no longer than the shutdown timeout once `stop` was aborted. */
async function withDeadline(
  work: Promise<void>,
  stop: AbortSignal,
  job: Job,
  runtime: Runtime,
): Promise<void> {
  const settled = new AbortController()
  const deadline = async () => {
    await aborted(AbortSignal.any([stop, settled.signal]))
    await runtime.clock.sleep(job.limits.shutdownTimeoutMs, settled.signal)
    if (settled.signal.aborted) return work
    throw new OncesinkError(
      'SHUTDOWN_DEADLINE',
      `job '${job.name}' did not end within ${job.limits.shutdownTimeoutMs} ms (limits.shutdownTimeoutMs); the batch in ` +
        'flight is rolled back by the server or has committed, and the next start goes on from the stored positions',
    )
  }
  try {
    await Promise.race([work, deadline()])
  } catch (error) {
    throw asError(error)
  } finally {
    settled.abort()
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve()
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
}
