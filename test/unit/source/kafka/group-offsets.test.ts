import { describe, expect, test, vi } from 'vitest'
import { systemRuntime } from '../../../../src/runtime/runtime.ts'
import { Brokers } from '../../../../src/source/kafka/brokers.ts'
import { GroupOffsets } from '../../../../src/source/kafka/group-offsets.ts'
import { kafka } from '../../../../src/source/kafka/options.ts'

const offsets = [{ topic: 't', partition: 0, offset: 5n }]

/** Brokers of which `coordinators` name one after another, and whose coordinator answers with `codes`. */
function groupsOf(codes: readonly number[], coordinators = [7, 8, 9]) {
  const brokers = new Brokers(kafka({ brokers: ['localhost:1'], topics: ['t'] }), systemRuntime.clock)
  const asked: number[] = []
  const nodes = [...coordinators]
  const rest = [...codes]
  vi.spyOn(brokers, 'sendToAny').mockImplementation((() =>
    Promise.resolve({ errorCode: 0, nodeId: nodes.shift() ?? -1 })) as typeof brokers.sendToAny)
  vi.spyOn(brokers, 'sendTo').mockImplementation(((node: number) => {
    asked.push(node)
    return Promise.resolve([{ topic: 't', partition: 0, errorCode: rest.shift() ?? 0 }])
  }) as typeof brokers.sendTo)
  return { groups: new GroupOffsets(brokers), asked, brokers }
}

describe('offsets of a consumer group', () => {
  test('the coordinator is asked for once', async () => {
    const { groups, asked, brokers } = groupsOf([])
    for (let i = 0; i < 3; i++) await groups.commit('g', offsets)
    expect(asked).toEqual([7, 7, 7])
    expect(brokers.sendToAny).toHaveBeenCalledTimes(1)
  })

  test('another broker that has become it is found at once; after a failure it is asked for again', async () => {
    const { groups, asked } = groupsOf([0, 16, 0, 15, 0])
    await groups.commit('g', offsets)
    await groups.commit('g', offsets)
    await expect(groups.commit('g', offsets)).rejects.toMatchObject({ code: 'SOURCE_UNAVAILABLE' })
    await groups.commit('g', offsets)
    expect(asked).toEqual([7, 7, 8, 8, 9])
  })

  test.each<[number, string, RegExp]>([
    [
      30,
      'SOURCE_REFUSED',
      /group "g": this client has no right on it \(GROUP_AUTHORIZATION_FAILED\); grant .* Read on the group, or switch the mirror off with kafka\(\{ groupMirror: false \}\)/,
    ],
    [29, 'SOURCE_REFUSED', /no right on topic "t"/],
    [
      25,
      'SOURCE_REFUSED',
      /consumers have joined it.*give kafka\(\{ group \}\) a name that nobody else uses/,
    ],
    [24, 'SOURCE_REFUSED', /no group may have this name/],
    [14, 'SOURCE_UNAVAILABLE', /COORDINATOR_LOAD_IN_PROGRESS; check the brokers/],
  ])('error code %d is told with its cure', async (code, name, message) => {
    const { groups } = groupsOf([code])
    await expect(groups.commit('g', offsets)).rejects.toMatchObject({
      code: name,
      message: expect.stringMatching(message),
    })
  })
})
