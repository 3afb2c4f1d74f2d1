import type { WireRequest } from '../kafkajs.ts'
import type { BrokerAddress } from './metadata.ts'
import { type Api, type WireReader, WireWriter, wireRequest } from './wire.ts'

const findCoordinatorApi: Api = { key: 10, version: 2, name: 'FindCoordinator' }

/** The broker that keeps a group; its node id is -1 when there is none for now. */
export interface Coordinator extends BrokerAddress {
  readonly errorCode: number
}

/** Asks any broker which one keeps the members and offsets of a consumer group. */
export function findCoordinatorRequest(group: string): WireRequest<Coordinator> {
  const groups = 0
  return wireRequest(findCoordinatorApi, new WireWriter().string(group).int8(groups), decode)
}

function decode(reader: WireReader) {
  const throttleMs = reader.int32()
  const errorCode = reader.int16()
  // The message, which the code says already.
  reader.string()
  const nodeId = reader.int32()
  return { value: { errorCode, nodeId, host: reader.string(), port: reader.int32() }, throttleMs }
}
