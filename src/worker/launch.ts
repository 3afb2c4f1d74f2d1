import process from 'node:process'
import { MessageChannel, receiveMessageOnPort, Worker } from 'node:worker_threads'
import { asError, OncesinkError } from '../errors.ts'
import type { WorkerThreadsPlan } from '../executor/executor.ts'
import type { ToDriver, ToWorker } from '../executor/threads/messages.ts'
import { Vitals } from '../executor/threads/vitals.ts'
import type { Launch, WorkerThread } from '../executor/threads/worker-handle.ts'
import type { WorkerData } from './worker-data.ts'

/** Megabytes of the young generation of a worker's heap: Node's own 48 would be most of what a worker takes. */
const YOUNG_GENERATION_MB = 16

/**
 * What starts the worker threads of a job.
 * @throws OncesinkError CONFIGURATION_INVALID where nobody has said which module they are to load
 */
export function launcherOf(plan: WorkerThreadsPlan, job: string): Launch {
  const { module } = plan
  return (index) => {
    if (module !== null) return launch({ ...plan, module }, index)
    throw new OncesinkError(
      'CONFIGURATION_INVALID',
      `job '${job}' has workerThreads(), but its worker threads cannot know where its module is: say ` +
        'workerThreads({ count, module: import.meta.url }) in the module whose default export the job is',
    )
  }
}

function launch(plan: WorkerThreadsPlan & { readonly module: string }, index: number): WorkerThread {
  const { port1: port, port2 } = new MessageChannel()
  const vitals = new Vitals()
  const data: WorkerData = {
    oncesink: 'worker',
    port: port2,
    vitals: vitals.memory,
    module: plan.module,
    count: plan.count,
  }
  const worker = new Worker(new URL('./main.js', import.meta.url), {
    name: `oncesink worker ${index + 1}`,
    workerData: data,
    transferList: [port2],
    argv: process.argv.slice(2),
    resourceLimits: {
      maxYoungGenerationSizeMb: YOUNG_GENERATION_MB,
      ...(plan.maxHeapMb !== null && { maxOldGenerationSizeMb: plan.maxHeapMb }),
    },
  })
  let thrown: Error | null = null
  worker.on('error', (error) => {
    thrown ??= asError(error)
  })
  const exited = new Promise<void>((resolve) => worker.once('exit', () => resolve()))
  return {
    vitals,
    post: (message: ToWorker) => port.postMessage(message),
    listen({ onMessage, onEnd }) {
      port.on('message', (message: ToDriver) => onMessage(message))
      worker.once('exit', (code) => {
        // What it has said before it ended may not have been heard yet.
        for (let last = receiveMessageOnPort(port); last; last = receiveMessageOnPort(port)) {
          onMessage(last.message as ToDriver)
        }
        port.close()
        onEnd(whyEnded(thrown, code, plan))
      })
    },
    async ended(signal) {
      const aborted = new Promise<void>((resolve) =>
        signal.addEventListener('abort', () => resolve(), { once: true }),
      )
      if (!signal.aborted) await Promise.race([exited, aborted])
    },
    async terminate() {
      await worker.terminate()
      port.close()
    },
  }
}

/** Continues a sentence that begins with the worker's name. */
function whyEnded(thrown: Error | null, code: number, { maxHeapMb }: WorkerThreadsPlan): OncesinkError {
  const after = 'The batch is abandoned; the next start goes on from the stored positions.'
  if (thrown && 'code' in thrown && thrown.code === 'ERR_WORKER_OUT_OF_MEMORY') {
    return new OncesinkError(
      'WORKER_OUT_OF_MEMORY',
      `needed more heap than ${maxHeapMb === null ? 'Node gives it' : `the ${maxHeapMb} MB of maxHeapMb`}. ${after} Let batches be smaller ` +
        '(limits.maxRecordsPerBatch, limits.maxBytesPerBatch), let the job keep less, or raise maxHeapMb.',
      { cause: thrown },
    )
  }
  const what = thrown
    ? `has ended by an exception that nobody caught: ${thrown.name}: ${thrown.message}`
    : `has ended with exit code ${code}, without being told to: does the job's code call process.exit?`
  return new OncesinkError('WORKER_LOST', `${what.replace(/\.?$/, '.')} ${after}`, {
    cause: thrown ?? undefined,
  })
}
