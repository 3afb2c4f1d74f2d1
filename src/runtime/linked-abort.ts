import { OVER } from './over.ts'

export interface LinkedAbort {
  readonly signal: AbortSignal
  abort(): void
  /** Forgets the parent. To be called when what the signal was for has ended. */
  unlink(): void
}

/**
 * A controller of its own that aborts with `parent`. Unlike `AbortSignal.any`, which on Node 20 leaves something behind
 * on a long-lived parent each time, it leaves nothing after `unlink()`.
 */
export function linkedAbort(parent: AbortSignal): LinkedAbort {
  const controller = new AbortController()
  const abort = () => controller.abort(OVER)
  if (parent.aborted) abort()
  else parent.addEventListener('abort', abort, { once: true })
  return { signal: controller.signal, abort, unlink: () => parent.removeEventListener('abort', abort) }
}
