/** What differs between brokers of one cluster. */
export interface BrokerAddress {
  readonly nodeId: number
  /** All listeners, among them CONTROLLER. */
  readonly listeners: string
  readonly advertisedListeners: string
  /** `id@host:port` of every controller, separated by commas. */
  readonly voters: string
  /** `NAME:PROTOCOL` of listeners other than PLAINTEXT and CONTROLLER. */
  readonly protocols?: readonly string[]
  readonly dataDir?: string
}

export type Properties = Readonly<Record<string, string>>

/** One node is all there is, so nothing can be replicated; and tests must not wait for housekeeping. */
const fastSingleNode: Properties = {
  'offsets.topic.replication.factor': '1',
  'offsets.topic.num.partitions': '4',
  'transaction.state.log.replication.factor': '1',
  'transaction.state.log.min.isr': '1',
  'transaction.state.log.num.partitions': '4',
  'share.coordinator.state.topic.replication.factor': '1',
  'share.coordinator.state.topic.min.isr': '1',
  'auto.create.topics.enable': 'false',
  // Groups: no wait for members that will not come, and sessions short enough to see one expire.
  'group.initial.rebalance.delay.ms': '0',
  'group.min.session.timeout.ms': '1000',
  // A killed broker may come back when its last session has expired, not before: 9 s by default.
  'broker.session.timeout.ms': '2000',
  'broker.heartbeat.interval.ms': '500',
  // Retention and compaction act within a second.
  'log.initial.task.delay.ms': '500',
  'log.retention.check.interval.ms': '500',
  'log.segment.delete.delay.ms': '100',
  'log.cleaner.backoff.ms': '500',
  // The default buffer alone would take a quarter of the heap.
  'log.cleaner.dedupe.buffer.size': String(16 * 1024 * 1024),
}

/** Properties of a KRaft node that is broker and controller; `overrides` win. */
export function kafkaProperties(address: BrokerAddress, overrides: Properties = {}): Properties {
  return {
    'process.roles': 'broker,controller',
    'node.id': String(address.nodeId),
    'controller.quorum.voters': address.voters,
    'controller.listener.names': 'CONTROLLER',
    listeners: address.listeners,
    'advertised.listeners': address.advertisedListeners,
    'listener.security.protocol.map': [
      'PLAINTEXT:PLAINTEXT',
      'CONTROLLER:PLAINTEXT',
      ...(address.protocols ?? []),
    ].join(),
    ...(address.dataDir === undefined ? {} : { 'log.dirs': address.dataDir }),
    ...fastSingleNode,
    ...overrides,
  }
}

/** For clusters of three nodes and more: what the brokers keep for themselves survives the loss of one of them. */
export const replicated: Properties = {
  'default.replication.factor': '3',
  'offsets.topic.replication.factor': '3',
  'transaction.state.log.replication.factor': '3',
  'transaction.state.log.min.isr': '2',
  'share.coordinator.state.topic.replication.factor': '3',
  'share.coordinator.state.topic.min.isr': '2',
  // A follower that stands still holds writers with acks=all up for this long: 30 s by default.
  'replica.lag.time.max.ms': '3000',
}

/** A Java properties file. */
export function propertiesFile(properties: Properties): string {
  const escaped = (value: string) => value.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')
  return Object.entries(properties)
    .map(([name, value]) => `${name}=${escaped(value)}\n`)
    .join('')
}

/** The same as environment variables of the `apache/kafka` image. */
export function containerEnvironment(properties: Properties): Record<string, string> {
  return Object.fromEntries(
    Object.entries(properties).map(([name, value]) => [
      `KAFKA_${name.replaceAll('_', '__').replaceAll('.', '_').replaceAll('-', '___').toUpperCase()}`,
      value,
    ]),
  )
}
