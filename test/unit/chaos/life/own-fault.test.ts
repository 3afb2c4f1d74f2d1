import { expect, test } from 'vitest'
import { ArmedFault, type OwnFault } from '../../../../src/chaos/life/own-fault.ts'

const fault: OwnFault = { point: 'transaction.begun', visit: 2, signal: 'SIGKILL' }

/** At which of these points, by place in the list, a fault is due. */
function due(armed: ArmedFault, ...points: string[]): number[] {
  return points.flatMap((point, i) => (armed.dueAt(point) === null ? [] : [i]))
}

test('a fault is due at the visit that it names, and never again', () => {
  const armed = new ArmedFault()
  armed.arm(fault)
  const [here, elsewhere] = [fault.point, 'transaction.committed']
  expect(due(armed, elsewhere, here, elsewhere, here, here, here)).toEqual([3])
})

test('visits count from when it was armed', () => {
  const armed = new ArmedFault()
  expect(due(armed, fault.point, fault.point)).toEqual([])
  armed.arm(fault)
  expect(due(armed, fault.point)).toEqual([])
  armed.arm({ ...fault, signal: 'SIGSTOP' })
  expect(due(armed, fault.point)).toEqual([])
  expect(armed.dueAt(fault.point)).toEqual({ ...fault, signal: 'SIGSTOP' })
})

test('one that is taken back is not due', () => {
  const armed = new ArmedFault()
  armed.arm({ ...fault, visit: 1 })
  armed.arm(null)
  expect(due(armed, fault.point)).toEqual([])
})
