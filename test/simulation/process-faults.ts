import type { FaultPoints } from '../../src/runtime/fault-points.ts'
import { describeFault, type Fault, type FaultInjector, type Operation } from './faults.ts'
import { type Host, never } from './host.ts'

/**
 * One operation that a process calls, with what happens to the process before and after it. Faults of what is called
 * are handed on to `execute`, whose synchronous part happens at the other side as soon as the request is sent.
 */
export async function callThrough<T>(
  host: Host,
  faults: FaultInjector,
  operation: Operation,
  execute: (fault: Fault | null) => T | Promise<T>,
): Promise<T> {
  const fault = faults.next(operation)
  if (!fault) return execute(null)
  host.note(() => `FAULT ${describeFault(fault)}`)
  switch (fault.kind) {
    case 'killed-before':
      host.crash()
      return never()
    case 'killed-after':
      void Promise.resolve(execute(null)).catch(() => {})
      host.crash()
      return never()
    case 'stopped-before':
      host.stop(fault.ms)
      await host.wait(0)
      return execute(null)
    case 'stopped-after': {
      const result = execute(null)
      host.stop(fault.ms)
      return result
    }
    case 'clock-jump':
      host.jump((fault.pick - 0.5) * 86_400_000 * 30)
      return execute(null)
    default:
      return execute(fault)
  }
}

/** Fault points of a process at which faults strike. */
export function faultPointsOf(host: Host, faults: FaultInjector): FaultPoints {
  return { reach: (point) => callThrough(host, faults, point, () => host.wait(0)) }
}
