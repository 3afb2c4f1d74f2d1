import { isMainThread, type MessagePort, workerData } from 'node:worker_threads'
import type { OncesinkError } from '../errors.ts'
import { encodeError } from '../executor/threads/encode-error.ts'
import type { ToDriver } from '../executor/threads/messages.ts'

/** What a worker thread is given to begin with. */
export interface WorkerData {
  /** Tells our workers from other people's. */
  readonly oncesink: 'worker'
  readonly port: MessagePort
  readonly vitals: SharedArrayBuffer
  /** URL of the module whose default export is the job. */
  readonly module: string
  /** How many workers share what the job may buffer. */
  readonly count: number
}

/** The data of this thread where it is a worker of a job; null in any other. */
export function ownWorkerData(): WorkerData | null {
  const data: unknown = isMainThread ? null : workerData
  const isOurs = typeof data === 'object' && data !== null && 'oncesink' in data && data.oncesink === 'worker'
  return isOurs ? (data as WorkerData) : null
}

/** Tells the driver why this worker cannot go on, whatever the job's code makes of the error. */
export function refuse({ port }: WorkerData, error: OncesinkError): void {
  port.postMessage({ kind: 'refused', error: encodeError(error) } satisfies ToDriver)
}
