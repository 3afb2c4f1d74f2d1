// Parts of kafkajs 2.2.4 (the version is pinned) that have no types of their own.

declare module 'kafkajs/src/broker/saslAuthenticator/plain.js' {
  import type { AuthenticationProviderArgs, Authenticator } from 'kafkajs'
  export default function provider(sasl: {
    readonly username: string
    readonly password: string
  }): (args: AuthenticationProviderArgs) => Authenticator
}

declare module 'kafkajs/src/broker/saslAuthenticator/scram256.js' {
  import provider from 'kafkajs/src/broker/saslAuthenticator/plain.js'
  export default provider
}

declare module 'kafkajs/src/broker/saslAuthenticator/scram512.js' {
  import provider from 'kafkajs/src/broker/saslAuthenticator/plain.js'
  export default provider
}

declare module 'kafkajs/src/protocol/decoder.js' {
  /** Numbers, strings and arrays of the protocol, read front to back. */
  export default class Decoder {
    readonly buffer: Buffer
    /** Where the next one begins. */
    offset: number
    constructor(buffer: Buffer)
    readInt16(): number
    readInt32(): number
    readInt64(): bigint
    readString(): string | null
    /** Bytes after their number, as a view; null where the number is -1. */
    readBytes(): Buffer | null
    readVarInt(): number
    readArray<T>(read: (decoder: Decoder) => T): T[]
    readVarIntArray<T>(read: (decoder: Decoder) => T): T[]
  }
}

declare module 'kafkajs/src/protocol/requests/fetch/v11/request.js' {
  import type { WireRequest } from './kafkajs.ts'
  export default function request(options: {
    readonly replicaId: number
    readonly maxWaitTime: number
    readonly minBytes: number
    readonly maxBytes: number
    /** 1 for committed records only, 0 for all. */
    readonly isolationLevel: 0 | 1
    readonly topics: readonly {
      readonly topic: string
      readonly partitions: readonly {
        readonly partition: number
        readonly currentLeaderEpoch: number
        readonly fetchOffset: bigint
        readonly maxBytes: number
      }[]
    }[]
  }): WireRequest<unknown>['request']
}

declare module 'kafkajs/src/protocol/recordBatch/v0/decoder.js' {
  import type Decoder from 'kafkajs/src/protocol/decoder.js'
  /** What the header of a record batch says; 64-bit numbers as text. */
  export interface BatchContext {
    readonly firstOffset: string
    readonly firstTimestamp: string
    readonly maxTimestamp: string
    readonly partitionLeaderEpoch: number
    readonly inTransaction: boolean
    readonly isControlBatch: boolean
    readonly lastOffsetDelta: number
    readonly producerId: string
    readonly timestampType: number
  }
  export default function decodeBatch(decoder: Decoder): Promise<BatchContext>
}

declare module 'kafkajs/src/protocol/recordBatch/record/v0/decoder.js' {
  import type Decoder from 'kafkajs/src/protocol/decoder.js'
  /** One record; its key and its value are views into the decoder's buffer. */
  export default function decodeRecord(
    decoder: Decoder,
    batch: {
      readonly firstOffset: bigint
      readonly firstTimestamp: bigint
      readonly maxTimestamp: string
      readonly timestampType: number
    },
  ): {
    readonly offset: string
    readonly timestamp: string
    readonly key: Buffer | null
    readonly value: Buffer | null
  }
}
